/**
 * The look of the login box. A constructed style sheet needs no `style-src`. Pages change it by the custom properties
 * `--scenecast-…`, and by `::part()`.
 */

/** @param {Record<string, string>} colors */
function colors(colors) {
  return Object.entries(colors).map(([name, color]) => `--${name}: var(--scenecast-${name}, ${color});`).join('');
}

const LIGHT = colors({
  card: '#fff',
  ground: '#f4f6f5',
  line: '#e1e6e3',
  ink: '#16201b',
  soft: '#5a6861',
  accent: '#067a43',
  'on-accent': '#fff',
  veil: 'rgb(255 255 255 / 92%)',
});
const DARK = colors({
  card: '#171e1b',
  ground: '#0f1412',
  line: '#2a3430',
  ink: '#e7eeea',
  soft: '#9caba4',
  accent: '#3fd08a',
  'on-accent': '#06210f',
  veil: 'rgb(23 30 27 / 94%)',
});

const STYLE = `
:host { display: block; max-width: var(--scenecast-width, 400px); }
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; margin: 0; }
#box {
  ${LIGHT}
  display: grid; grid-template-columns: minmax(0, 1fr); justify-items: center; gap: 16px; padding: 28px 24px 24px;
  text-align: center;
  color: var(--ink); background: var(--card); border: 1px solid var(--line);
  border-radius: var(--scenecast-radius, 20px);
  font: var(--scenecast-font, 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Microsoft YaHei",
    "Noto Sans CJK SC", sans-serif);
}
@media (prefers-color-scheme: dark) { #box[data-theme=auto] { ${DARK} } }
#box[data-theme=dark] { ${DARK} }
#words { display: grid; grid-template-columns: minmax(0, 1fr); justify-items: center; gap: 16px; width: 100%; }
#stage {
  position: relative; width: var(--scenecast-code-size, 264px); max-width: 100%; aspect-ratio: 1; overflow: hidden;
  border-radius: 14px; background: var(--ground);
}
#handle, #cover { border: 1px solid var(--line); border-radius: inherit; }
#handle { display: grid; height: 100%; overflow: hidden; background: var(--card); transition: opacity .2s; }
[data-view=offline] #handle { opacity: .55; }
#qr { width: 100%; height: 100%; padding: 12px; background: #fff; object-fit: contain; }
#digits {
  margin: auto; max-width: 6em; font-size: 2.5rem; font-weight: 600; line-height: 1.4; letter-spacing: .06em;
  font-variant-numeric: tabular-nums; user-select: all;
}
#digits span { display: inline-block; margin: 0 .16em; }
#cover {
  position: absolute; inset: 0; display: grid; align-content: center; justify-items: center; gap: 12px; padding: 16px;
  background: var(--veil); backdrop-filter: blur(3px);
}
#avatar { border-radius: 50%; background: var(--line); object-fit: cover; }
#name { max-width: 100%; font-size: 1.125rem; font-weight: 600; overflow-wrap: anywhere; }
#number {
  color: var(--accent); font-size: 3.5rem; font-weight: 700; line-height: 1; font-variant-numeric: tabular-nums;
}
.open #stage { aspect-ratio: auto; background: none; }
.open #cover { position: static; border: 0; }
[data-view=loggedIn] #avatar { outline: 3px solid var(--accent); outline-offset: 3px; }
.busy #stage::after {
  content: ""; position: absolute; inset: 0; margin: auto; width: 32px; height: 32px; border: 3px solid var(--line);
  border-top-color: var(--accent); border-radius: 50%; animation: turn 1s linear infinite;
}
@keyframes turn { to { rotate: 1turn; } }
#clock { width: 264px; max-width: 100%; color: var(--soft); font-size: .875rem; }
#clock p { margin: 8px 0 0; }
#remaining { display: inline-block; min-width: 4ch; color: var(--ink); font-variant-numeric: tabular-nums; }
#bar { height: 3px; border-radius: 3px; overflow: hidden; background: var(--line); }
#left {
  display: block; height: 100%; background: var(--accent); transform-origin: left; transition: transform .5s linear;
}
#status { font-weight: 600; border-radius: 6px; text-wrap: balance; }
#advice { margin-top: -8px; color: var(--soft); font-size: .9375rem; overflow-wrap: anywhere; }
#choice { display: grid; justify-items: center; gap: 4px; }
button {
  min-height: 44px; padding: 0 24px; border: 0; border-radius: 22px; background: var(--accent);
  color: var(--on-accent); font: inherit; font-weight: 600; cursor: pointer;
}
.quiet { margin: -8px 0; background: none; color: var(--soft); font-weight: 400; text-decoration: underline; text-underline-offset: 3px; }
button:hover { filter: brightness(1.1); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
#steps {
  display: flex; flex-wrap: wrap; justify-content: center; gap: 4px 8px; padding: 0; list-style: none;
  counter-reset: step; color: var(--soft); font-size: .875rem;
}
#steps li { display: flex; align-items: center; gap: 8px; counter-increment: step; }
#steps li + li::before { content: ""; width: 16px; height: 1px; background: var(--line); order: -1; }
#steps li::after {
  content: counter(step); order: -1; width: 22px; border: 1px solid; border-radius: 50%; font-size: .75rem;
  line-height: 20px;
}
#steps li[aria-current] { color: var(--ink); font-weight: 600; }
#steps .done { color: var(--accent); }
#steps .done::after { content: "✓"; }
@media (max-width: 380px) {
  #box { padding: 20px 16px; }
  #steps { font-size: .8125rem; }
  #steps, #steps li { gap: 4px; }
  #steps li + li::before { display: none; }
}
@media (max-height: 480px) and (min-width: 560px) {
  :host { max-width: var(--scenecast-width, 640px); }
  #box { grid-template-columns: auto minmax(0, 1fr); align-items: center; padding: 16px; }
  #stage { width: min(264px, 100vh - 66px); }
}
@media (prefers-reduced-motion: reduce) {
  * { transition: none !important; }
  .busy #stage::after { animation-duration: 4s; }
}`;

/** @type {CSSStyleSheet | undefined} */
let sheet;

/** The style sheet that all boxes of a page share. */
export function styleSheet() {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
  }
  return sheet;
}
