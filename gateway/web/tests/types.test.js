/** Strict TypeScript projects that use the package: what is right compiles, and no mistake does. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, project } from './support/packed.js';

const OPTIONS = { strict: true, noEmit: true, target: 'es2022', lib: ['es2022', 'dom', 'dom.iterable'], jsx: 'react-jsx', types: [] };

/** The lines of each file in which the compiler sees a mistake. */
function mistakes(names, options) {
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(ROOT, 'tests/types', name), 'utf8')]));
  const tsconfig = JSON.stringify({ compilerOptions: { ...OPTIONS, ...options }, files: names });
  const directory = project({ ...files, 'tsconfig.json': tsconfig, 'package.json': '{"type":"module"}' });
  const { stdout } = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', '.', '--pretty', 'false'], { cwd: directory, encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line && !line.startsWith(' '));
}

for (const [module, moduleResolution] of [['nodenext', 'nodenext'], ['esnext', 'bundler']]) {
  test(`what is right compiles (${moduleResolution})`, () => {
    assert.deepEqual(mistakes(['good.ts', 'good_react.tsx', 'good_vue.ts'], { module, moduleResolution }), []);
  });
}

test('no mistake compiles', () => {
  for (const name of ['bad.ts', 'bad_frameworks.tsx']) {
    const text = readFileSync(join(ROOT, 'tests/types', name), 'utf8').split('\n');
    const wrong = text.map((line, at) => (/^(login|document|useLogin|export)/.test(line) ? at + 1 : 0)).filter(Boolean);
    const found = mistakes([name], { module: 'nodenext', moduleResolution: 'nodenext' });
    const lines = new Set(found.map((line) => Number(/\((\d+),/.exec(line)?.[1])));
    assert.deepEqual([...lines], wrong, found.join('\n'));
  }
});
