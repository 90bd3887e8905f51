/** Each entry on a server that renders pages: bare Node, without a document. */

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { execFileSync } from 'node:child_process';
import { project } from './support/packed.js';

let directory;
before(() => {
  directory = project({});
});

/** What a script prints in bare Node, inside the project. */
function run(script) {
  return execFileSync(process.execPath, ['--input-type=module', '--eval', script], { cwd: directory, encoding: 'utf8' }).trim();
}

test('each entry is imported', () => {
  for (const entry of ['', '/element', '/react', '/vue']) {
    assert.ok(run(`console.log(Object.keys(await import('@scenecast/browser${entry}')).join())`), entry);
  }
});

test('a login that is begun on a server says what is wrong', () => {
  const said = run(`import { login } from '@scenecast/browser';
    try { login({ gateway: 'https://x', account: 'demo' }) } catch (error) { console.log(error.message) }`);
  assert.match(said, /login\(\) needs a page/);
});

test('React renders box and hook', () => {
  const html = run(`
    import { createElement as h } from 'react';
    import { renderToString } from 'react-dom/server';
    import { ScenecastLogin, useLogin } from '@scenecast/browser/react';
    const options = { gateway: 'https://x', account: 'demo', state: 's', keepOnReload: true };
    const Own = () => h('p', null, useLogin(options).step);
    console.log(renderToString(h('div', null, h(ScenecastLogin, { ...options, onConfirmed() {} }), h(Own))));`);
  assert.equal(html, '<div><scenecast-login gateway="https://x" account="demo" state="s" keep-on-reload="true">' +
    '</scenecast-login><p>preparing</p></div>');
});

test('Vue renders box and composable', () => {
  const html = run(`
    import { createSSRApp, h } from 'vue';
    import { renderToString } from 'vue/server-renderer';
    import { ScenecastLogin, useLogin } from '@scenecast/browser/vue';
    const options = { gateway: 'https://x', account: 'demo' };
    const Own = { setup() { const { state } = useLogin(options); return () => h('p', state.value.step); } };
    const App = { render: () => h('div', [h(ScenecastLogin, { ...options, onConfirmed() {} }), h(Own)]) };
    console.log(await renderToString(createSSRApp(App)));`);
  assert.match(html, /<scenecast-login gateway="https:\/\/x" account="demo".*><\/scenecast-login><p>preparing<\/p>/);
});
