/** The demo site's login page: what a site writes around `scenecast.js`. */

import { text, translateDocument } from '/texts.js';

/**
 * The page's views: which parts are there, how far the login is, and what the button says. A view's status is the
 * text of its name.
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

/** What a login goes through, by what the phone finds it by. */
const STEPS = { picture: ['scanStep', 'scannedStep', 'doneStep'], digits: ['sendStep', 'continueStep', 'doneStep'] };

/**
 * What the backend tells its page; without real WeChat also where a simulated phone writes to the account.
 *
 * @type {{ gateway: string, account: string, state: string, simulatedPhone: string | null }}
 */
let config;

/** @param {string} selector @returns {any} */
const the = (selector) => document.querySelector(selector);

/** @param {keyof typeof VIEWS} view @param {Record<string, string | number>} [values] What its status speaks of. */
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
  // Whoever pressed what is no longer there goes on from the status.
  if (focused !== document.body && !focused?.checkVisibility()) the('#status').focus();
}

/**
 * Shows what the phone finds this login by: a QR code, a mini-program code, or digits to be typed.
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
  // In groups to be read, in one piece to be copied, one by one to be heard.
  digits.replaceChildren(...code.match(/.{1,4}/g).map((group) => element('span', group)));
  digits.ariaLabel = text('digits', { digits: [...code].join(' ') });
  the('#advice').textContent = text('typingAdvice');
  return 'typing';
}

/**
 * Where there are simulated phones, what the code says is an address of theirs.
 *
 * @param {string | undefined} address
 * @param {'phoneScans' | 'phoneSends'} does
 */
function offerPhone(address, does) {
  const link = the('#phone-link');
  if (config.simulatedPhone && address) link.href = address;
  else link.removeAttribute('href');
  link.querySelector('span').textContent = text(does);
}

/** @param {string} tag @param {string} content */
function element(tag, content) {
  return Object.assign(document.createElement(tag), { textContent: content });
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

/** How long a login that a failover lost may take to come again, in milliseconds. */
const REDEEM_WITHIN = 15_000;

/**
 * Hands the grant to the site's backend. Repeats where no answer came, or none that stays: the backend takes a repeat
 * for what it is.
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
    if (!response.ok) return complain(answer);
    the('#redeemed').textContent = JSON.stringify(answer, shortened, 2);
    show('loggedIn');
  } catch {
    if (Date.now() > deadline) return complain({ code: 'site_unreachable' });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return redeem(grant, deadline);
  }
}

/**
 * Somebody typed this page's code, perhaps by mistake or led to: only whoever is before the page knows whether it
 * was them. A grant that nobody wants is dropped, and ends by itself.
 *
 * @param {string} name
 * @param {string} grant
 */
function askWhether(name, grant) {
  the('#advice').textContent = text('askingAdvice', { name });
  the('#continue').onclick = () => redeem(grant);
  the('#not-me').onclick = () => show('refused');
  show('asking', { name });
}

/** Shows the remaining time, as m:ss and as a bar. */
function showRemaining(remaining, life) {
  const seconds = Math.ceil(remaining);
  the('#remaining').textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  the('.bar span').style.setProperty('--left', String(remaining / life));
}

/** Marks the way that this page is, among those that there are. */
function markWay() {
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
  /** What to go back to when the connection is there again. @type {Parameters<typeof show> | null} */
  let shown = null;
  const goOn = (...view) => show(...(shown = view));

  on('opened', (opened) => {
    life = opened.expiresIn;
    showRemaining(life, life);
    goOn(showHandle(opened));
  });
  on('scanned', ({ number, ...person }) => {
    introduce(person);
    the('#number').textContent = number;
    goOn(number ? 'picking' : 'scanned', { number });
  });
  on('confirmed', ({ grant, typed, ...person }) => {
    introduce(person);
    if (typed) askWhether(person.name, grant);
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
  on('problem', complain);

  the('#renew').addEventListener('click', () => {
    shown = null;
    show('preparing');
    attempt.renew();
  });
}

translateDocument();
markWay();
show('preparing');
start().catch(({ code = 'login_unavailable' }) => {
  complain({ code });
  the('#renew').addEventListener('click', () => location.reload());
});
