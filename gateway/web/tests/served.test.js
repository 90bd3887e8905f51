/** What gateways serve beside their modules. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFileSync } from 'node:fs';
import { SERVED, checkedIn, servedTypes } from '../served/build.js';

test('the checked-in types are those of the modules', async () => {
  for (const name of SERVED) {
    assert.equal(readFileSync(checkedIn(name), 'utf8'), await servedTypes(name), `${name}: run npm run served`);
  }
});
