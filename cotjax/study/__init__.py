"""Studies: several runs of one base config that differ in what is compared, and their report."""
