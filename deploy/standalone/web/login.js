/** The demo site's login page: what a site writes around `scenecast.js`. */

import { text, translateDocument } from '/texts.js';

/**
 * The page's views: which elements are there, how far the login is, and what the button says. A view's
 * status is the text of its name.
 */
const VIEWS = {
  preparing: { shows: [], step: 1 },
  waiting: { shows: ['#qr', '.clock', '#phone-link'], step: 1 },
  scanned: { shows: ['#qr', '.cover', '#avatar', '#name', '.clock'], step: 2 },
  redeeming: { shows: ['#qr', '.cover', '#avatar', '#name'], step: 2 },
  loggedIn: { shows: ['.cover', '#avatar', '#name', '.backend'], step: 4 },
  expired: { shows: ['#qr', '.cover', '#renew'], step: 1, button: 'newCode' },
  declined: { shows: ['#qr', '.cover', '#renew'], step: 1, button: 'newCode' },
  cancelled: { shows: ['#qr', '.cover', '#renew'], step: 1, button: 'newCode' },
  unreachable: { shows: [], step: 1 },
  problem: { shows: ['.cover', '#renew', '#advice'], step: 1, button: 'tryAgain' },
};

const PARTS = ['#qr', '.cover', '#avatar', '#name', '#renew', '.clock', '#phone-link', '#advice', '.backend'];

/** Whether there is a simulated phone to scan with. */
let phoneOffered = false;

/** @param {string} selector @returns {any} */
const the = (selector) => document.querySelector(selector);

/** @param {keyof typeof VIEWS} view */
function show(view) {
  const { shows, step, button } = VIEWS[view];
  const focused = document.activeElement;
  document.body.dataset.view = view;
  the('#status').textContent = text(view);
  if (button) the('#renew').textContent = text(button);
  for (const part of PARTS) the(part).hidden = !shows.includes(part) || (part === '#phone-link' && !phoneOffered);
  document.querySelectorAll('.steps li').forEach((item, at) => {
    item.dataset.done = String(at + 1 < step);
    if (at + 1 === step) item.setAttribute('aria-current', 'step');
    else item.removeAttribute('aria-current');
  });
  // Whoever pressed what is no longer there goes on from the status.
  if (focused !== document.body && !focused?.checkVisibility()) the('#status').focus();
}

/** @param {{ name: string, avatar: string }} person */
function introduce({ name, avatar }) {
  the('#name').textContent = name;
  the('#avatar').src = avatar;
}

/** @param {{ code: string, retryAfter?: number }} problem */
function complain({ code, retryAfter }) {
  the('#advice').textContent = retryAfter ? text('adviceLater', { seconds: retryAfter }) : text('advice', { code });
  show('problem');
}

/** Keeps a picture in a `data:` address from filling the page. */
const shortened = (_, value) => (value?.length > 96 ? `${value.slice(0, 96)}…` : value);

/**
 * Hands the grant to the site's backend. Repeats where no answer came: the backend takes a repeat for what it is.
 *
 * @param {string} grant
 */
async function redeem(grant, attemptsLeft = 3) {
  const body = JSON.stringify({ grant });
  const headers = { 'content-type': 'application/json' };
  try {
    const response = await fetch('/session', { method: 'POST', headers, body });
    if (response.status >= 500) throw new Error(response.statusText);
    const answer = await response.json();
    if (!response.ok) return complain(answer);
    the('#redeemed').textContent = JSON.stringify(answer, shortened, 2);
    show('loggedIn');
  } catch {
    if (attemptsLeft === 1) return complain({ code: 'site_unreachable' });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return redeem(grant, attemptsLeft - 1);
  }
}

/** Shows the remaining time, as m:ss and as a bar. */
function showRemaining(remaining, life) {
  const seconds = Math.ceil(remaining);
  the('#remaining').textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  the('.bar span').style.setProperty('--left', String(remaining / life));
}

async function start() {
  const { gateway, account, state, simulatedPhone } = await (await fetch('/config.json')).json();
  const { login } = await import(`${gateway}/v1/scenecast.js`);
  const attempt = login({ gateway, account, state });
  const on = (type, act) => attempt.addEventListener(type, ({ detail }) => act(detail));
  phoneOffered = simulatedPhone;

  let life = 1;
  setInterval(() => showRemaining(attempt.remaining, life), 500);
  /** What to go back to when the connection is there again. @type {keyof typeof VIEWS} */
  let shown = 'preparing';

  on('opened', ({ qr, expiresIn }) => {
    the('#qr').src = qr.image;
    the('#qr').alt = text('code');
    the('#phone-link').href = qr.url;
    life = expiresIn;
    showRemaining(expiresIn, life);
    show((shown = 'waiting'));
  });
  on('scanned', (person) => {
    introduce(person);
    show((shown = 'scanned'));
  });
  on('confirmed', ({ grant, ...person }) => {
    introduce(person);
    show('redeeming');
    redeem(grant);
  });
  on('offline', () => {
    if (shown === 'preparing') return show('unreachable');
    document.body.dataset.view = 'offline';
    the('#status').textContent = text('offline');
  });
  on('online', () => show(shown));
  for (const end of ['expired', 'declined', 'cancelled']) on(end, () => show(end));
  on('problem', complain);

  the('#renew').addEventListener('click', () => {
    show((shown = 'preparing'));
    attempt.renew();
  });
}

translateDocument();
show('preparing');
start().catch(() => {
  complain({ code: 'login_unavailable' });
  the('#renew').addEventListener('click', () => location.reload());
});
