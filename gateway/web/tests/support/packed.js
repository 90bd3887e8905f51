/** The package as npm would publish it, installed beside the frameworks. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, symlinkSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's sources, with `node_modules` beside them. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** The package's tarball, as `npm test` packs it before the tests. */
export const TARBALL = join(ROOT, readdirSync(ROOT).find((name) => name.endsWith('.tgz')) ?? 'missing.tgz');

/**
 * A project with these files, in which the packed package and all that our own tests have are installed. The next
 * `make browser-package` removes it.
 *
 * @param {Record<string, string>} files
 */
export function project(files) {
  const directory = mkdtempSync(join(ROOT, 'project-'));
  const modules = join(directory, 'node_modules');
  mkdirSync(join(modules, '@scenecast/browser'), { recursive: true });
  execFileSync('tar', ['-xzf', TARBALL, '--strip-components=1', '-C', join(modules, '@scenecast/browser')]);
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '@scenecast') symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return directory;
}
