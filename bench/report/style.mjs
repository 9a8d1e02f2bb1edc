// How the page looks, light or dark.

export const STYLE = `
:root { color-scheme: light dark; --ink: #1d2329; --soft: #5b6670; --paper: #fff; --line: #dde2e6; --good: #00805a; --bad: #b3402a;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #8a8f94; --c4: #56b4e9; --c5: #cc79a7; --c6: #b8860b; --c7: #6a51a3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8eb; --soft: #9aa5ae; --paper: #15191d; --line: #343b42; --good: #3fc898; --bad: #ff8a70;
    --c0: #4aa8e0; --c1: #f08a3c; --c2: #2fc795; --c3: #9aa0a6; --c4: #8fd0f5; --c5: #e09cc2; --c6: #d9aa3a; --c7: #a493d6; }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1360px; margin: 0 auto; padding: 16px 24px 48px; }
h1 { font-size: 24px; } h2 { font-size: 19px; margin-top: 40px; }
.note { color: var(--bad); }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(560px, 100%), 1fr)); gap: 24px; align-items: start; }
figure { margin: 0; } figcaption { font-weight: 600; }
svg { width: 100%; height: auto; display: block; overflow: visible; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; dominant-baseline: central; }
svg .tick, svg .axis { fill: var(--soft); font-size: 11px; }
svg .grid { stroke: var(--line); } svg .mark { stroke: var(--soft); stroke-dasharray: 3 3; }
svg .range { stroke: var(--ink); opacity: .55; stroke-width: 1.5; }
svg .line { fill: none; stroke-width: 2; }
.legend span { margin-right: 16px; font-size: 13px; color: var(--soft); white-space: nowrap; }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 2px; margin-right: 6px; vertical-align: -1px; }
${Array.from({ length: 8 }, (_, i) => `.fill.c${i} { fill: var(--c${i}); } .line.c${i} { stroke: var(--c${i}); } i.c${i} { background: var(--c${i}); }`).join('\n')}
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 3px 14px 3px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
tr.yes td:last-child { color: var(--good); } tr.no td:last-child { color: var(--bad); font-weight: 600; }
details { margin-top: 12px; } summary { cursor: pointer; color: var(--soft); }
`;
