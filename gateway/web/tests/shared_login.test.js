/** How the parts of a page share a login. No browser: the attempt is a stand-in. */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { loginOf, keyOf, sharedLogin } from '../login/shared_login.js';

/** What `login()` begins. */
class Attempt extends EventTarget {
  renewals = 0;
  isCancelled = false;
  renew() { this.renewals += 1; }
  cancel() { this.isCancelled = true; }
  emit(type, detail = {}) { this.dispatchEvent(Object.assign(new Event(type), { detail })); }
}

let attempts;
/** How the parts that are still shown leave. */
let shown;
const begin = () => {
  attempts.push(new Attempt());
  return attempts.at(-1);
};
const OPTIONS = { gateway: 'https://g', account: 'demo', state: 's' };

beforeEach(() => {
  attempts = [];
  shown = [];
  mock.timers.enable({ apis: ['setTimeout'] });
  globalThis.document = { visibilityState: 'visible' };
});
afterEach(() => {
  for (const leave of shown) leave();
  mock.timers.tick(10_000);
  mock.timers.reset();
  delete globalThis.document;
});

/** A part of the page. Answers how it leaves. */
function show(options = OPTIONS, listener = () => {}) {
  const leave = sharedLogin(options, begin).subscribe(listener);
  shown.push(leave);
  return leave;
}

test('parts that come and go at once begin one login, or none', () => {
  show()();
  const leave = show();
  show({ ...OPTIONS })();
  mock.timers.tick(0);
  assert.equal(attempts.length, 1);
  leave();
  show({ ...OPTIONS, account: 'other' })();
  mock.timers.tick(2_000);
  assert.equal(attempts.length, 1);
  assert.ok(attempts[0].isCancelled);
  assert.equal(loginOf(keyOf(OPTIONS)), undefined, 'nothing of it is kept');
});

test('a part that comes back within a second finds its login, and what it missed', () => {
  const leave = show();
  mock.timers.tick(0);
  attempts[0].emit('opened', { scene: 'x', expiresIn: 120 });
  leave();
  mock.timers.tick(900);
  attempts[0].emit('confirmed', { name: 'Lin', avatar: '', grant: 'g', typed: false });
  const told = [];
  show(OPTIONS, (type, { grant }) => told.push([type, grant]));
  mock.timers.tick(5_000);
  assert.deepEqual(told, [['confirmed', 'g']]);
  assert.equal(attempts.length, 1);
  assert.ok(!attempts[0].isCancelled);
});

test('an expired code is renewed some times while the page is visible, and again after somebody has asked', () => {
  show({ ...OPTIONS, autoRenew: 2 });
  mock.timers.tick(0);
  const login = loginOf(keyOf({ ...OPTIONS, autoRenew: 2 }));
  const expire = () => attempts[0].emit('expired');
  expire();
  expire();
  assert.deepEqual([attempts[0].renewals, login.state.step], [2, 'preparing']);
  expire();
  assert.deepEqual([attempts[0].renewals, login.state.step], [2, 'expired']);
  login.renew();
  document.visibilityState = 'hidden';
  expire();
  assert.deepEqual([attempts[0].renewals, login.state.step], [3, 'expired']);
});

test('other options are another login', () => {
  const others = [{ state: 't' }, { state: undefined }, { gateway: 'https://h' }, { keepOnReload: true }, { locale: 'zh' }];
  for (const other of [{}, ...others]) show({ ...OPTIONS, ...other });
  mock.timers.tick(0);
  assert.equal(attempts.length, 1 + others.length);
});
