/** The login box in Chromium: on a page of another origin under a strict policy, for everybody, and in odd places. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { seen, startChromium } from './support/chromium.js';
import { ROOT } from './support/packed.js';
import { Scenecast } from './support/scenecast.js';

const AXE = readFileSync(join(ROOT, 'node_modules/axe-core/axe.min.js'), 'utf8');

let scenecast, chromium, server, site, page;
before(async () => {
  server = createServer((request, response) => response.writeHead(200, headers()).end(html(request.url)));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  site = `http://127.0.0.1:${server.address().port}`;
  scenecast = await Scenecast.start({ origins: [site] });
  chromium = await startChromium();
});
after(async () => {
  await chromium?.close();
  await scenecast?.stop();
  server?.close();
});

/** What docs/browser.md tells sites to allow, and nothing else. */
function headers() {
  const gateway = scenecast.gateway;
  const policy = `default-src 'none'; script-src ${gateway}; connect-src ${gateway} ${gateway.replace('http', 'ws')}; ` +
    `img-src data: https:; require-trusted-types-for 'script'; trusted-types 'none'`;
  return { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy };
}

/** A page with boxes; the path is their attributes. */
function html(path) {
  const attributes = decodeURIComponent(path.slice(1)).split('|');
  const boxes = attributes.map((each) => `<scenecast-login state="s" ${each}></scenecast-login>`).join('<hr>');
  return `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">
    <meta name="color-scheme" content="light dark"><title>Log in</title><main><h1>Log in</h1>${boxes}</main>
    <script type="module" src="${scenecast.gateway}/v1/scenecast-login.js"></script></html>`;
}

/** Opens a page with boxes of these attributes, and fails the test if its policy or its script complains. */
async function open(attributes, { width = 1024, height = 768, dark = false } = {}) {
  page = await chromium.newPage();
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && page.complaints.push(message.text()));
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]);
  await page.goto(`${site}/${encodeURIComponent(attributes)}`);
  return page;
}

/** The address of the shown code. */
const codeOf = (target) => target.evaluate(() => new Promise((resolve) => {
  document.querySelector('scenecast-login').addEventListener('opened', ({ detail }) => resolve(detail.qr.url));
  document.querySelector('scenecast-login').renew();
}));

/** What axe-core finds. It runs as a debugger's script, which no policy stops. */
async function findings() {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`);
}

test('a login from a page of another origin, in each state without a finding and within 320 pixels', async () => {
  for (const look of [{ width: 320, height: 640 }, { dark: true }]) {
    await open('account="demo"', look);
    await seen(page, '[data-view="waiting"] #qr');
    assert.deepEqual(await findings(), []);
    await page.evaluate(() => {
      const box = document.querySelector('scenecast-login');
      box.addEventListener('confirmed', (event) => event.waitUntil(new Promise((resolve) => { window.redeemed = resolve; })));
    });
    await scenecast.scan(await codeOf(page));
    await seen(page, '[data-view="scanned"] #another');
    assert.deepEqual(await findings(), []);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it fits');
    assert.ok(await page.evaluate(() => {
      const box = document.querySelector('scenecast-login');
      box.style.width = '220px';
      const [stage, frame] = ['#stage', '#box'].map((part) => box.shadowRoot.querySelector(part).getBoundingClientRect());
      return stage.right < frame.right && frame.width <= 220;
    }), 'it fits into less');
    await scenecast.say('1');
    await seen(page, '[data-view="redeeming"] #name');
    await page.evaluate(() => window.redeemed());
    await seen(page, '[data-view="loggedIn"] #name');
    await page.evaluate(() => document.querySelector('main').append(document.querySelector('scenecast-login')));
    await seen(page, '[data-view="loggedIn"] #name');
    assert.deepEqual(await findings(), []);
    assert.deepEqual(page.complaints, []);
    await page.close();
  }
});

test('the demo site without a finding', async () => {
  for (const path of ['/', '/?account=personal', '/?account=nobody']) {
    page = await chromium.newPage();
    await page.goto(`${scenecast.site}${path}`);
    await page.waitForSelector(path.includes('nobody') ? '#unavailable' : 'scenecast-login >>> #handle:not([hidden])');
    assert.deepEqual(await findings(), [], path);
    await page.close();
  }
});

test('the demo site shows a number, which the phone has to pick', async () => {
  page = await chromium.newPage();
  await page.goto(`${scenecast.site}/?account=number`);
  await seen(page, '[data-view="waiting"] #qr');
  await scenecast.scan(await page.$eval('#phone-link', ({ href }) => href));
  const number = await seen(page, '[data-view="picking"] #number');
  assert.match(number, /^\d{2}$/);
  assert.deepEqual(await findings(), []);
  await scenecast.say(number, 'number');
  await page.waitForSelector('#redeemed');
  await seen(page, '[data-view="loggedIn"] #name');
  await page.close();
});

test('a typed code is asked about; the box says what went wrong when the site could not log in, and tries again', async () => {
  await open('account="personal" account-name="Fruit &lt;b&gt;" wechat-id="fruit"');
  const digits = await seen(page, '[data-view="typing"] #digits');
  assert.match(await seen(page, '#advice'), /open “Fruit <b> \(fruit\)” and send it/);
  assert.deepEqual(await findings(), []);
  await page.evaluate(() => {
    document.querySelector('scenecast-login').addEventListener('confirmed', (event) => {
      event.waitUntil(Promise.reject(Object.assign(new Error('no'), { code: 'site_is_closed' })));
    });
  });
  await scenecast.say(digits, 'personal');
  assert.match(await seen(page, '[data-view="asking"] #status'), /^Continue as .+\?$/);
  assert.deepEqual(await findings(), []);
  // The status line has the focus where the focused element is gone.
  await (await page.waitForSelector('scenecast-login >>> #continue')).focus();
  await page.keyboard.press('Enter');
  assert.match(await seen(page, '[data-view="problem"] #advice'), /site_is_closed$/);
  assert.equal(await page.evaluate(() => document.activeElement.shadowRoot.activeElement.id), 'status');
  assert.deepEqual(await findings(), []);
  await (await page.waitForSelector('scenecast-login >>> #renew')).click();
  await seen(page, '[data-view="typing"] #digits');
  await page.close();
});

test('two boxes and a box that moves share one scene; another state is another', async () => {
  const before = await scenecast.scenes();
  await open('account="demo"|account="demo"');
  await seen(page, '[data-view="waiting"] #qr');
  await page.evaluate(async () => {
    const [first] = document.querySelectorAll('scenecast-login');
    document.querySelector('main').append(first);
    first.remove();
    await new Promise((resolve) => setTimeout(resolve, 100));
    document.querySelector('h1').after(first);
  });
  await seen(page, '[data-view="waiting"] #qr');
  await page.evaluate(() => document.querySelector('main').append(document.querySelector('scenecast-login').cloneNode()));
  const bars = await page.evaluate(() => [...document.querySelectorAll('scenecast-login')].map(
    (box) => Number(/scaleX\((.*)\)/.exec(box.shadowRoot.querySelector('#left').style.transform)[1]),
  ));
  assert.ok(bars.length === 3 && bars.every((left) => left > 0.5 && left <= 1), `${bars}`);
  assert.equal(await scenecast.scenes(), before + 1);
  await page.evaluate(() => {
    const box = document.querySelector('scenecast-login');
    const opened = new Promise((resolve) => box.addEventListener('opened', resolve));
    for (const state of ['x', 'y']) box.setAttribute('state', state);
    return opened;
  });
  assert.equal(await scenecast.scenes(), before + 2);
  await page.close();
});

test('a box that is set up wrongly says so', async () => {
  for (const [attributes, code] of [
    ['gateway="gateway.example.com" account="demo"', 'option_invalid'],
    ['account="Nobody!"', 'option_invalid'],
    ['account="nobody"', 'account_unknown'],
    [`account="demo" state="${'x'.repeat(300)}" `, 'option_invalid'],
  ]) {
    // The first of two equal attributes counts, and `html` writes its own first.
    await open(attributes);
    if (attributes.includes('xxx')) await page.evaluate(() => document.querySelector('scenecast-login').setAttribute('state', 'x'.repeat(300)));
    assert.ok((await seen(page, '[data-view="problem"] #advice')).endsWith(code), attributes);
    await page.close();
  }
});

test('the language of the page, or of the box, and no dark box on a page without dark colours', async () => {
  await open('account="demo" locale="zh-Hant-TW"', { dark: true });
  assert.equal(await seen(page, '[data-view="waiting"] #status'), '请使用微信扫描二维码');
  const theme = () => page.evaluate(() => document.querySelector('scenecast-login').shadowRoot.querySelector('#box').dataset.theme);
  assert.equal(await theme(), 'auto');
  await page.evaluate(() => {
    document.querySelector('meta[name=color-scheme]').remove();
    document.querySelector('scenecast-login').setAttribute('locale', 'en');
  });
  assert.equal(await seen(page, '[data-view="waiting"] #status'), 'Scan the code with WeChat');
  assert.equal(await theme(), 'light');
  await page.close();
});
