/** What publishers' tools say of the package, and how large it is. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execFileSync } from 'node:child_process';
import { ROOT, TARBALL } from './support/packed.js';

/** Runs a tool of the package's own `node_modules`. Its output is in the error, if it fails. */
function tool(name, ...args) {
  try {
    return execFileSync(`${ROOT}/node_modules/.bin/${name}`, args, { cwd: ROOT, encoding: 'utf8' });
  } catch ({ stdout, stderr }) {
    return assert.fail(`${name}: ${stdout}${stderr}`);
  }
}

test('publint has nothing to say', () => {
  tool('publint', TARBALL, '--strict');
});

test('all types resolve', () => {
  tool('attw', TARBALL, '--profile', 'esm-only');
});

test('it is as small as it says', () => {
  tool('size-limit');
});

test('nothing but modules, types and documents is published', () => {
  const files = execFileSync('tar', ['-tzf', TARBALL], { encoding: 'utf8' }).trim().split('\n');
  const others = files.filter((file) => !/^package\/(\w+\/)*\w+\.(js|d\.ts)$/.test(file));
  assert.deepEqual(others.sort(), ['package/LICENSE', 'package/README.md', 'package/package.json']);
});
