/** The demo site's login page. A site's own page would use `scenecast.js` in the same way. */

import { text, translateDocument } from '/texts.js';

/**
 * The page's views: which elements are visible, which step of the login is marked, and the text of the button. The
 * status line of a view is the text with the view's name.
 */
const VIEWS = {
  preparing: { shows: [], step: 1 },
  waiting: { shows: ['#handle', '.clock', '#phone-link'], step: 1 },
  typing: { shows: ['#handle', '.clock', '#advice', '#phone-link'], step: 1 },
  scanned: { shows: ['#handle', '.cover', '#avatar', '#name', '.clock'], step: 2 },
  picking: { shows: ['.cover', '#avatar', '#name', '#number', '.clock'], step: 2 },
  asking: { shows: ['.cover', '#avatar', '#name', '#advice', '.choice'], step: 2 },
  redeeming: { shows: ['#handle', '.cover', '#avatar', '#name'], step: 2 },
  loggedIn: { shows: ['.cover', '#avatar', '#name', '.backend'], step: 4 },
  refused: { shows: ['#handle', '.cover', '#renew'], step: 1, button: 'newCode' },
  expired: { shows: ['#handle', '.cover', '#renew'], step: 1, button: 'newCode' },
  declined: { shows: ['#handle', '.cover', '#renew'], step: 1, button: 'newCode' },
  cancelled: { shows: ['#handle', '.cover', '#renew'], step: 1, button: 'newCode' },
  unreachable: { shows: [], step: 1 },
  problem: { shows: ['.cover', '#renew', '#advice'], step: 1, button: 'tryAgain' },
};

const PARTS = [...new Set(Object.values(VIEWS).flatMap(({ shows }) => shows))];

/** The steps of a login: with a picture to scan, and with digits to type. */
const STEPS = { picture: ['scanStep', 'scannedStep', 'doneStep'], digits: ['sendStep', 'continueStep', 'doneStep'] };

/**
 * The answer of `/config.json`. `simulatedPhone` is the address of a simulated phone's chat with the account; `null`
 * with real WeChat.
 *
 * @type {{ gateway: string, account: string, state: string, simulatedPhone: string | null }}
 */
let config;

/** @param {string} selector @returns {any} */
const the = (selector) => document.querySelector(selector);

/**
 * @param {keyof typeof VIEWS} view
 * @param {Record<string, string | number>} [values] Fill the status line's placeholders.
 */
function show(view, values) {
  const { shows, step, button } = VIEWS[view];
  const focused = document.activeElement;
  document.body.dataset.view = view;
  the('#status').textContent = text(view, values);
  if (button) the('#renew').textContent = text(button);
  for (const part of PARTS) the(part).hidden = !shows.includes(part);
  if (!the('#phone-link').href) the('#phone-link').hidden = true;
  document.querySelectorAll('.steps li').forEach((item, at) => {
    item.dataset.done = String(at + 1 < step);
    if (at + 1 === step) item.setAttribute('aria-current', 'step');
    else item.removeAttribute('aria-current');
  });
  // If the focused element has become invisible, the status line gets the focus.
  if (focused !== document.body && !focused?.checkVisibility()) the('#status').focus();
}

/**
 * Shows the scene's handle: a QR code, a mini-program code, or digits to be typed.
 *
 * @param {{ qr?: { url: string, image: string }, miniProgram?: { image: string }, code?: string }} opened
 * @returns {keyof typeof VIEWS}
 */
function showHandle({ qr, miniProgram, code }) {
  const [picture, digits] = [the('#qr'), the('#digits')];
  picture.hidden = Boolean(code);
  digits.hidden = !code;
  offerPhone(qr?.url ?? (code && config.simulatedPhone), code ? 'phoneSends' : 'phoneScans');
  const steps = STEPS[code ? 'digits' : 'picture'];
  document.querySelectorAll('.steps li').forEach((item, at) => (item.textContent = text(steps[at])));
  if (!code) {
    picture.src = (qr ?? miniProgram).image;
    picture.alt = text(qr ? 'qrCode' : 'miniProgramCode');
    return 'waiting';
  }
  // People read groups, copy all digits at once, and hear single digits from a screen reader.
  digits.replaceChildren(...code.match(/.{1,4}/g).map((group) => element('span', group)));
  digits.ariaLabel = text('digits', { digits: [...code].join(' ') });
  the('#advice').textContent = text('typingAdvice');
  return 'typing';
}

/**
 * Links to the simulated phone, if there is one. A simulated QR code contains the phone's address.
 *
 * @param {string | undefined} address
 * @param {'phoneScans' | 'phoneSends'} label The link's text.
 */
function offerPhone(address, label) {
  const link = the('#phone-link');
  if (config.simulatedPhone && address) link.href = address;
  else link.removeAttribute('href');
  link.querySelector('span').textContent = text(label);
}

/** @param {string} tag @param {string} content */
function element(tag, content) {
  return Object.assign(document.createElement(tag), { textContent: content });
}

/** @param {{ name: string, avatar: string }} person */
function showPerson({ name, avatar }) {
  the('#name').textContent = name;
  the('#avatar').src = avatar;
}

/** @param {{ code: string, retryAfter?: number }} problem */
function showProblem({ code, retryAfter }) {
  the('#advice').textContent = retryAfter ? text('adviceLater', { seconds: retryAfter }) : text('advice', { code });
  show('problem');
}

/** Shortens long values, so that a picture's `data:` URL doesn't fill the page. */
const shortened = (_, value) => (value?.length > 96 ? `${value.slice(0, 96)}…` : value);

/** How long the page repeats a redeem, in milliseconds. WeChat repeats a login that a failover lost within this time. */
const REDEEM_WITHIN = 15_000;

/**
 * Sends the grant to the site's backend. Repeats the request if there is no answer or a 5xx. That is harmless: the
 * backend redeems with the same `Idempotency-Key`.
 *
 * @param {string} grant
 */
async function redeem(grant, deadline = Date.now() + REDEEM_WITHIN) {
  const body = JSON.stringify({ account: config.account, grant });
  const headers = { 'content-type': 'application/json' };
  show('redeeming');
  try {
    const response = await fetch('/session', { method: 'POST', headers, body });
    if (response.status >= 500) throw new Error(response.statusText);
    const answer = await response.json();
    if (!response.ok) return showProblem(answer);
    the('#redeemed').textContent = JSON.stringify(answer, shortened, 2);
    show('loggedIn');
  } catch {
    if (Date.now() > deadline) return showProblem({ code: 'site_unreachable' });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return redeem(grant, deadline);
  }
}

/**
 * Somebody typed this page's code, perhaps by mistake, or because an attacker led them to it. So the page asks its user
 * whether it was them. If it wasn't, the page drops the grant, which expires by itself.
 *
 * @param {string} name
 * @param {string} grant
 */
function askUser(name, grant) {
  the('#advice').textContent = text('askingAdvice', { name });
  the('#continue').onclick = () => redeem(grant);
  the('#not-me').onclick = () => show('refused');
  show('asking', { name });
}

/** Shows the remaining time as m:ss and as a bar. */
function showRemaining(remaining, life) {
  const seconds = Math.ceil(remaining);
  the('#remaining').textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  the('.bar span').style.setProperty('--left', String(remaining / life));
}

/** Marks the current one of the two ways to log in. */
function markCurrentWay() {
  const here = [...document.querySelectorAll('.ways a')].find(({ href }) => href === location.href);
  here?.setAttribute('aria-current', 'page');
}

async function start() {
  const response = await fetch(`/config.json${location.search}`);
  if (!response.ok) throw await response.json();
  config = await response.json();
  const { gateway, account, state } = config;
  const { login } = await import(`${gateway}/v1/scenecast.js`);
  const attempt = login({ gateway, account, state });
  const on = (type, act) => attempt.addEventListener(type, ({ detail }) => act(detail));

  let life = 1;
  setInterval(() => showRemaining(attempt.remaining, life), 500);
  /** The view to show again after a reconnect. @type {Parameters<typeof show> | null} */
  let shown = null;
  const showAndKeep = (...view) => show(...(shown = view));

  on('opened', (opened) => {
    life = opened.expiresIn;
    showRemaining(life, life);
    showAndKeep(showHandle(opened));
  });
  on('scanned', ({ number, ...person }) => {
    showPerson(person);
    the('#number').textContent = number;
    showAndKeep(number ? 'picking' : 'scanned', { number });
  });
  on('confirmed', ({ grant, typed, ...person }) => {
    showPerson(person);
    if (typed) askUser(person.name, grant);
    else redeem(grant);
  });
  on('offline', () => {
    if (!shown) return show('unreachable');
    document.body.dataset.view = 'offline';
    the('#status').textContent = text('offline');
  });
  on('trouble', () => {
    document.body.dataset.view = 'offline';
    the('#status').textContent = text('trouble');
  });
  on('online', () => show(...shown));
  for (const end of ['expired', 'declined', 'cancelled']) on(end, () => show(end));
  on('problem', showProblem);

  the('#renew').addEventListener('click', () => {
    shown = null;
    show('preparing');
    attempt.renew();
  });
}

translateDocument();
markCurrentWay();
show('preparing');
start().catch(({ code = 'login_unavailable' }) => {
  showProblem({ code });
  the('#renew').addEventListener('click', () => location.reload());
});
