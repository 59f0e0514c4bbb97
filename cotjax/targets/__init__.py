"""What the student is to say: segments, orders, perturbations."""
