/** Frameworks in Chromium before a real gateway: however often they mount a login, the page opens one scene. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import react from '@vitejs/plugin-react';
import { createServer } from 'vite';
import { seen, startChromium } from './support/chromium.js';
import { project } from './support/packed.js';
import { Scenecast, freePorts } from './support/scenecast.js';

const REACT_APP = `
  import { StrictMode, createElement } from 'react';
  import { createRoot } from 'react-dom/client';
  import { App } from './App.jsx';
  const root = createRoot(document.getElementById('app'));
  root.render(<StrictMode><App /></StrictMode>);
  window.unmount = () => root.unmount();`;
const REACT_PAGE = `
  import { useState } from 'react';
  import { ScenecastLogin, useLogin } from '@scenecast/browser/react';
  const options = { gateway: 'GATEWAY', account: 'demo', state: 'react' };
  function Own() {
    const { step, opened, grant } = useLogin(options);
    return <output id="own" data-url={opened?.qr?.url} data-grant={grant}>{step}</output>;
  }
  export function App() {
    const [isShown, show] = useState(true);
    return <>
      <h1>first</h1>
      <button id="toggle" onClick={() => show(!isShown)}>toggle</button>
      {isShown && <><ScenecastLogin {...options} onConfirmed={async ({ grant }) => {
        document.body.dataset.grant = grant;
      }} /><Own /></>}
    </>;
  }`;
const VUE_APP = `
  import { createApp, h, ref } from 'vue';
  import { ScenecastLogin, useLogin } from '@scenecast/browser/vue';
  const options = { gateway: 'GATEWAY', account: 'demo', state: 'vue' };
  const place = ref(1);
  window.move = () => { place.value += 1; };
  const Own = { setup() { const { state } = useLogin(options);
    return () => h('output', { id: 'own', 'data-url': state.value.opened?.qr?.url }, state.value.step); } };
  // Another key makes Vue mount other elements.
  createApp({ setup: () => () => h('main', { key: place.value }, [
    h(ScenecastLogin, { ...options, onConfirmed: async ({ grant }) => { document.body.dataset.grant = grant; } }),
    h(Own),
  ]) }).mount('#app');`;
const html = (script) => `<!doctype html><html lang="en"><title>A page</title><div id="app"></div>
  <script type="module" src="${script}"></script>`;

let scenecast, chromium, vite, directory, site;
before(async () => {
  const [port] = await freePorts(1);
  site = `http://127.0.0.1:${port}`;
  scenecast = await Scenecast.start({ origins: [site] });
  const text = (source) => source.replace('GATEWAY', scenecast.gateway);
  directory = project({
    'react.html': html('/main.jsx'), 'main.jsx': REACT_APP, 'App.jsx': text(REACT_PAGE),
    'vue.html': html('/vue.js'), 'vue.js': text(VUE_APP),
  });
  vite = await createServer({
    root: directory, configFile: false, logLevel: 'warn', plugins: [react()],
    resolve: { preserveSymlinks: true },
    server: { port, strictPort: true, host: '127.0.0.1', fs: { strict: false } },
    optimizeDeps: { entries: ['*.html'] },
  });
  await vite.listen();
  chromium = await startChromium();
});
after(async () => {
  await chromium?.close();
  await vite?.close();
  await scenecast?.stop();
});

/** A page, and how many scenes were opened before it. */
async function open(path) {
  const before = await scenecast.scenes();
  const page = await chromium.newPage();
  page.on('pageerror', (error) => assert.fail(error));
  await page.goto(`${site}${path}`);
  await page.waitForSelector('#own[data-url]');
  return { page, opened: async () => (await scenecast.scenes()) - before };
}

/** Somebody scans the page's code and confirms. */
async function logIn(page) {
  await scenecast.scan(await page.$eval('#own', ({ dataset }) => dataset.url));
  await seen(page, '[data-view="scanned"] #name');
  await scenecast.say('1');
  await seen(page, '[data-view="loggedIn"] #name');
  await page.waitForSelector('body[data-grant]');
}

test('React: StrictMode, a box beside a hook, hot reload and a box that comes back share one scene', async () => {
  const { page, opened } = await open('/react.html');
  await seen(page, '[data-view="waiting"] #qr');
  const file = join(directory, 'App.jsx');
  writeFileSync(file, readFileSync(file, 'utf8').replace('<h1>first', '<h1>second'));
  await page.waitForFunction(() => document.querySelector('h1').textContent === 'second');
  for (let clicks = 0; clicks < 4; clicks += 1) await page.click('#toggle');
  await logIn(page);
  assert.equal(await page.$eval('#own', ({ dataset }) => dataset.grant), await page.$eval('body', ({ dataset }) => dataset.grant));
  assert.equal(await opened(), 1);
  await page.close();
});

test('Vue: a box beside a composable, and a box that is mounted again, share one scene', async () => {
  const { page, opened } = await open('/vue.html');
  await page.evaluate(() => window.move());
  await seen(page, '[data-view="waiting"] #qr');
  await logIn(page);
  assert.equal(await opened(), 1);
  await page.close();
});

test('a component that leaves its page gives its scene up, and another one opens its own', async () => {
  const { page, opened } = await open('/react.html');
  const before = await scenecast.scenes('cancelled');
  await page.evaluate(() => window.unmount());
  while ((await scenecast.scenes('cancelled')) === before) await new Promise((resolve) => setTimeout(resolve, 50));
  await page.reload();
  await page.waitForSelector('#own[data-url]');
  assert.equal(await opened(), 2);
  await page.close();
});
