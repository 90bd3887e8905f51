/** The types of the modules that gateways serve, one file for each: `npm run served` writes them, and they are checked in. */

import { readFileSync, writeFileSync } from 'node:fs';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The module's types, made of those that `npm run types` has written. @param {string} name */
export async function servedTypes(name) {
  const bundle = await rollup({ input: `${ROOT}/types/${name}.d.ts`, plugins: [dts()] });
  const { output: [{ code }] } = await bundle.generate({ format: 'es' });
  return name === 'scenecast' ? code : code + readFileSync(`${ROOT}/element/tag_name.d.ts`, 'utf8');
}

export const SERVED = ['scenecast', 'scenecast-login'];

/** Where the types of a served module are checked in. @param {string} name */
export const checkedIn = (name) => `${ROOT}/served/${name}.d.ts`;

if (argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of SERVED) writeFileSync(checkedIn(name), await servedTypes(name));
}
