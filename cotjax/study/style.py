"""The look of a report: one column for reading, light and dark, from the reader's own type."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fcfbf8; --ink: #22211f; --quiet: #6b6862; --line: #dedad1; --tint: #f2efe8;
  --label: #ffe2a0; --rationale: #d3e7f7; --right: #15803d; --wrong: #b42318;
  --series-0: #7d7a72; --series-1: #1844b9; --series-2: #da452c; --series-3: #274e0f;
  --series-4: #d359ba; --series-5: #7c7bff; --series-6: #5e2c5d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #171715; --ink: #ebe8e1; --quiet: #a19d94; --line: #3a3833; --tint: #22211e;
    --label: #6b4e0a; --rationale: #173f5f; --right: #58c27d; --wrong: #f78f8f;
    --series-0: #a8a49a; --series-1: #3567de; --series-2: #df500c; --series-3: #8ef9ff;
    --series-4: #f686f4; --series-5: #fae91d; --series-6: #b1389b;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 Charter, "Bitstream Charter", "Iowan Old Style", Georgia, serif;
}
main { max-width: 54rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }
h1, main > p, main > ul, main > dl, main > figure, details > p { max-width: 46rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 1.25rem; letter-spacing: -0.01em; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 2.75rem 0 0.75rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 0.5rem; }
p { margin: 0 0 1rem; }
.lead { font-size: 1.15rem; }
.note, figcaption, summary { color: var(--quiet); }
table, .note, figcaption, .legend, dl, svg text, summary, small,
.panels p {
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif !important;
}
.note, figcaption { font-size: 0.85rem; line-height: 1.5; }
figure { margin: 0 0 1.5rem; }
svg { display: block; width: 100%; height: auto; }
.pair { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); }
.pair figure, .pair > div:has(> svg) { max-width: 28rem; }
.scroll { overflow-x: auto; margin: 0 0 0.75rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.875rem; line-height: 1.4; }
th, td { padding: 0.5rem 0.6rem; text-align: right; border-bottom: 1px solid var(--line); }
td { font-variant-numeric: tabular-nums; white-space: nowrap; vertical-align: top; }
th { font-weight: 500; vertical-align: top; }
th:first-child, .settings td, .values :is(th, td) { text-align: left; }
.words-last :is(th, td):last-child { text-align: left; }
.settings td, .words-last td:last-child { white-space: normal; }
.words-last td:last-child { min-width: 14rem; }
.words-last code, .values code { white-space: nowrap; }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--quiet); font-weight: 400; vertical-align: bottom; white-space: nowrap; }
tbody th { min-width: 10rem; }
th:first-child:has(> i) { padding-left: 1.1em; text-indent: -1.1em; }
sup { line-height: 0; }
.scroll th:first-child { position: sticky; left: 0; background: var(--paper); }
td span { display: block; }
td small, small, .quiet { color: var(--quiet); }
td small { font-size: 0.75rem; }
td strong { font-weight: 600; }
a { color: inherit; text-decoration-color: var(--quiet); text-underline-offset: 0.2em; }
i {
  display: inline-block; width: 0.65em; height: 0.65em; margin-right: 0.5em;
  print-color-adjust: exact; forced-color-adjust: none;
}
.circle { border-radius: 50%; }
.triangle { clip-path: polygon(50% 0, 100% 100%, 0 100%); }
.diamond { clip-path: polygon(50% 0, 100% 50%, 50% 100%, 0 50%); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; padding: 0; }
.legend { font-size: 0.875rem; margin: 0 0 1rem; }
.legend li { margin: 0; }
dl { font-size: 0.875rem; margin: 0; }
dt { margin-top: 0.75rem; }
dd { margin: 0.25rem 0 0; padding: 0.4rem 0.75rem; background: var(--tint); border-radius: 0.3rem; }
dd { overflow-wrap: anywhere; }
code { white-space: pre-wrap; }
dd, code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
code { font-size: 0.85em; overflow-wrap: anywhere; }
.label, .rationale { padding: 0.1em 0.3em; border-radius: 0.2em; }
.label, .rationale { color: var(--ink); }
.label { background: var(--label); }
.rationale { background: var(--rationale); }
.connective, .eos { color: var(--quiet); }
.label, .rationale { -webkit-box-decoration-break: clone; box-decoration-break: clone; }
li { margin-bottom: 0.6rem; }
ul { padding-left: 1.2rem; }
details { margin: 0 0 0.6rem; }
details > :not(summary) { margin-top: 0.75rem; }
details[open] { margin-bottom: 1.75rem; }
summary { cursor: pointer; font-size: 0.95rem; }
.warning { border-left: 3px solid var(--wrong); padding-left: 0.75rem; }
.case { border-top: 1px solid var(--line); padding: 0.9rem 0 1.1rem; }
.case p { margin: 0 0 0.5rem; }
.case .pair { gap: 0.75rem 1.5rem; }
.case dt { color: var(--quiet); font-size: 0.75rem; margin-top: 0.4rem; }
.who { font: 500 0.875rem/1.4 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.right { color: var(--right); }
.wrong, .unparsed { color: var(--wrong); }
.panels { display: grid; gap: 0.75rem 1rem; }
.panels > div { display: flex; flex-direction: column; justify-content: flex-end; }
.panels p { font-size: 0.8rem; line-height: 1.3; margin: 0 0 0.2rem; }
.panels { grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); margin-bottom: 0.5rem; }
@media (max-width: 40rem) {
  main { padding: 1.75rem 1rem 3rem; }
  h1 { font-size: 1.6rem; }
  .rows svg text { font-size: 13px !important; }
  .seeds { display: none; }
  .panels { grid-template-columns: 1fr 1fr; }
  tbody th { min-width: 6.5rem; max-width: 9rem; }
  th, td { padding: 0.45rem 0.5rem; }
}
"""
