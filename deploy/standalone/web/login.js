/** The demo site's login page. A site's own page would use the login box in the same way. */

import { text, translateDocument } from '/texts.js';

/**
 * The answer of `/config.json`. `simulatedPhone` is the address of a simulated phone's chat with the account; `null`
 * with real WeChat.
 *
 * @typedef {{ gateway: string, account: string, state: string, simulatedPhone: string | null }} Config
 */

/** @param {string} selector @returns {any} */
const the = (selector) => document.querySelector(selector);

/** @param {string} tag @param {object} properties @param {(Node | string)[]} contents */
function make(tag, properties, ...contents) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...contents);
  return element;
}

/** How long the page repeats a redeem, in milliseconds. WeChat repeats a login that a failover lost within this time. */
const REDEEM_WITHIN = 15_000;

/**
 * Sends the grant to the site's backend, and shows what it got. Repeats the request if there is no answer or a 5xx. That
 * is harmless: the backend redeems with the same `Idempotency-Key`.
 *
 * @param {string} account
 * @param {string} grant
 */
async function redeem(account, grant, deadline = Date.now() + REDEEM_WITHIN) {
  const body = JSON.stringify({ account, grant });
  const headers = { 'content-type': 'application/json' };
  const response = await fetch('/session', { method: 'POST', headers, body }).catch(() => null);
  if (response && response.status < 500) {
    const answer = await response.json();
    if (!response.ok) throw answer;
    return showLogin(answer);
  }
  if (Date.now() > deadline) throw { code: 'site_unreachable' };
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return redeem(account, grant, deadline);
}

/** Shortens long values, so that a picture's `data:` URL doesn't fill the page. */
const shortened = (_, value) => (value?.length > 96 ? `${value.slice(0, 96)}…` : value);

/** Shows what the site's backend got of a login. @param {object} login */
function showLogin(login) {
  const got = make('pre', { id: 'redeemed', tabIndex: 0 }, JSON.stringify(login, shortened, 2));
  // The login has given the browser a new session, and a login box is for one session.
  const again = make('button', { id: 'again', onclick: () => location.reload() }, text('again'));
  the('.ways').before(make('section', { className: 'backend' }, make('h2', {}, text('backend')), got, again));
}

/**
 * Links to the simulated phone while the box shows a code. A simulated QR code contains the phone's address.
 *
 * @param {HTMLElement} box
 * @param {string} phone
 */
function offerPhone(box, phone) {
  const label = make('span', {});
  const arrow = make('span', { ariaHidden: 'true' }, ' ↗');
  const link = make('a', { id: 'phone-link', target: '_blank', rel: 'noopener', hidden: true }, label, arrow);
  box.addEventListener('opened', ({ detail: { qr, code } }) => {
    label.textContent = text(code ? 'phoneSends' : 'phoneScans');
    link.href = qr?.url ?? phone;
    link.hidden = !qr && !code;
  });
  for (const type of ['scanned', 'confirmed', 'declined', 'cancelled', 'expired', 'problem']) {
    box.addEventListener(type, () => (link.hidden = true));
  }
  box.append(link);
}

/** The login box. @param {Config} config */
function loginBox({ gateway, account, state, simulatedPhone }) {
  const box = document.createElement('scenecast-login');
  const autoRenew = new URLSearchParams(location.search).get('auto-renew');
  const attributes = { gateway, account, state, 'keep-on-reload': '', ...(autoRenew && { 'auto-renew': autoRenew }) };
  for (const [name, value] of Object.entries(attributes)) box.setAttribute(name, value);
  box.addEventListener('confirmed', (event) => event.waitUntil(redeem(account, event.detail.grant)));
  if (simulatedPhone) offerPhone(box, simulatedPhone);
  return box;
}

/** Marks the current one of the two ways to log in. */
function markCurrentWay() {
  const here = [...document.querySelectorAll('.ways a')].find(({ href }) => href === location.href);
  here?.setAttribute('aria-current', 'page');
}

async function start() {
  const response = await fetch(`/config.json${location.search}`);
  if (!response.ok) throw await response.json();
  const config = await response.json();
  await import(`${config.gateway}/v1/scenecast-login.js`);
  the('#place').append(loginBox(config));
}

translateDocument();
markCurrentWay();
start().catch(({ code = 'login_unavailable' }) => {
  const advice = make('p', { id: 'advice', role: 'alert' }, text('advice', { code }));
  const retry = make('button', { onclick: () => location.reload() }, text('tryAgain'));
  the('#place').append(make('div', { id: 'unavailable' }, advice, retry));
});
