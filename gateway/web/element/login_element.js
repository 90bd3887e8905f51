/** `<scenecast-login>`: a finished login box. */

import { sharedLogin } from '../login/shared_login.js';
import { PREPARING } from '../login/login_state.js';
import { pageLocale } from '../page.js';
import { ATTRIBUTE_NAMES, optionsOf } from './attributes.js';
import { Box, make } from './box.js';
import { languageOf, translator } from './texts.js';
import { ALL_PARTS, VIEWS, partsOf, viewOf } from './views.js';

/** @typedef {import('../scenecast.js').Details} Details */
/** @typedef {import('../login/login_state.js').LoginState} LoginState */
/** @typedef {import('../login/shared_login.js').SharedLogin} SharedLogin */
/** @typedef {import('./texts.js').TextKey} TextKey */
/** @typedef {import('./views.js').Outcome} Outcome */
/** @typedef {import('./views.js').Part} Part */

/** A login that its person agreed to. The backend redeems the grant. @typedef {{ grant: string, name: string, avatar: string }} Confirmation */

/**
 * What a box dispatches `confirmed` with. `waitUntil` has the box say that it is logging in until the promise is settled:
 * then that the person is logged in, or that it didn't work, with the error's `code` if it has one.
 *
 * @typedef {CustomEvent<Confirmation> & { waitUntil: (work: unknown) => void }} ConfirmedEvent
 */

/**
 * The events of a box.
 *
 * @typedef {{ [Type in Exclude<keyof Details, 'confirmed'>]: CustomEvent<Details[Type]> } & { confirmed: ConfirmedEvent }}
 *   LoginElementEvents
 */

/** How often the clock is drawn, in ms. */
const CLOCK_PERIOD = 500;
/** Views in which the picture's place has no picture behind it. */
const OPEN_VIEWS = new Set(['asking', 'loggedIn', 'problem']);
const BUSY_VIEWS = new Set(['preparing', 'unreachable']);
/** Servers that render pages load this module, too, and have no elements. */
const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

export class LoginElement extends Base {
  static observedAttributes = ATTRIBUTE_NAMES;
  /** Begins the logins of all boxes. @type {import('../login/shared_login.js').Begin} */
  static begin;

  /** @type {Box} */
  #box;
  /** @type {SharedLogin | undefined} */
  #login;
  /** @type {(() => void) | undefined} */
  #unsubscribe;
  #isChanging = false;
  /** What became of the login that was confirmed last. @type {Outcome | undefined} */
  #outcome;
  /** What went wrong after the login was confirmed. @type {Details['problem'] | undefined} */
  #failure;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #clock;
  #text = translator('en');

  constructor() {
    super();
    this.#box = new Box(this.attachShadow({ mode: 'open' }));
    const { renew, another, tryNow, copy, goOn, notMe } = this.#box;
    renew.onclick = another.onclick = () => this.renew();
    tryNow.onclick = () => this.#login?.reconnect();
    copy.onclick = () => this.#copy();
    goOn.onclick = () => this.#confirm();
    notMe.onclick = () => this.#became('refused');
  }

  /** Asks for a new code. */
  renew() {
    this.#login?.renew();
  }

  /**
   * As of any element, and a type checker knows the details of a box's own events.
   *
   * @override
   * @template {keyof LoginElementEvents | keyof HTMLElementEventMap} Type
   * @param {Type} type
   * @param {((event: Type extends keyof LoginElementEvents ? LoginElementEvents[Type] :
   *   Type extends keyof HTMLElementEventMap ? HTMLElementEventMap[Type] : Event) => unknown) | EventListenerObject |
   *   null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, /** @type {EventListener} */ (listener), options);
  }

  connectedCallback() {
    this.#translate();
    this.#subscribe();
    this.#clock = setInterval(() => this.#drawClock(), CLOCK_PERIOD);
  }

  disconnectedCallback() {
    clearInterval(this.#clock);
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  /** Frameworks set attributes one by one, so the login changes once they are done. */
  attributeChangedCallback() {
    if (!this.#login || this.#isChanging) return;
    this.#isChanging = true;
    queueMicrotask(() => {
      this.#isChanging = false;
      if (!this.isConnected) return;
      this.#translate();
      this.#subscribe();
    });
  }

  #subscribe() {
    const login = sharedLogin(optionsOf((attribute) => this.getAttribute(attribute)), LoginElement.begin);
    if (login !== this.#login) {
      this.#unsubscribe?.();
      this.#unsubscribe = undefined;
      this.#login = login;
      this.#forget();
    }
    this.#unsubscribe ??= login.subscribe((type, detail) => this.#received(type, detail));
    this.#draw();
  }

  /** @param {keyof Details | 'renewed'} type @param {any} detail */
  #received(type, detail) {
    if (type === 'renewed' || type === 'opened') this.#forget();
    this.#draw();
    if (type === 'renewed') return;
    if (type !== 'confirmed') this.dispatchEvent(new CustomEvent(type, { detail }));
    else if (!detail.typed) this.#confirm();
  }

  #forget() {
    this.#outcome = this.#failure = undefined;
  }

  /** Hands the login over to the page. */
  #confirm() {
    const { person, grant } = this.#state;
    let work = Promise.resolve();
    let isAwaited = false;
    const waitUntil = (/** @type {any} */ more) => {
      isAwaited ||= typeof more?.then === 'function';
      work = Promise.all([work, more]).then(() => {});
    };
    this.#became('redeeming');
    const event = new CustomEvent('confirmed', { detail: { ...person, grant } });
    this.dispatchEvent(Object.assign(event, { waitUntil }));
    if (!isAwaited) return;
    const isCurrent = () => this.#state.grant === grant;
    work.then(
      () => isCurrent() && this.#became('loggedIn'),
      (error) => isCurrent() && this.#failed(error),
    );
  }

  /** @param {any} error */
  #failed(error) {
    console.warn('scenecast: the page could not log in:', error);
    const { code = 'site_failed', retryAfter } = error ?? {};
    this.#failure = { code: String(code), detail: String(error), retryAfter };
    this.#draw();
  }

  /** @param {Outcome} outcome */
  #became(outcome) {
    this.#outcome = outcome;
    this.#draw();
  }

  /** @returns {LoginState} */
  get #state() {
    if (this.#failure) return { step: 'problem', connection: 'online', problem: this.#failure };
    return this.#login?.state ?? PREPARING;
  }

  #translate() {
    const language = languageOf(this.getAttribute('locale') || pageLocale());
    this.#text = translator(language);
    const { frame, remainingLabel, goOn, notMe, another, tryNow } = this.#box;
    frame.lang = language === 'zh' ? 'zh-CN' : 'en';
    // A page that has no dark colours gets no dark box.
    const meta = document.querySelector('meta[name=color-scheme]')?.getAttribute('content') ?? '';
    const canBeDark = `${getComputedStyle(this).colorScheme} ${meta}`.includes('dark');
    frame.dataset.theme = this.getAttribute('theme') ?? (canBeDark ? 'auto' : 'light');
    remainingLabel.textContent = this.#text('remaining');
    goOn.textContent = this.#text('continue');
    notMe.textContent = this.#text('notMe');
    another.textContent = this.#text('another');
    tryNow.textContent = this.#text('tryNow');
  }

  #draw() {
    const box = this.#box;
    const { connection, opened, person, number, problem } = this.#state;
    const view = viewOf(this.#state, this.#outcome);
    const isOffline = connection !== 'online' && view !== 'unreachable';
    const focused = this.shadowRoot?.activeElement;
    box.frame.dataset.view = isOffline ? 'offline' : view;
    box.frame.classList.toggle('open', OPEN_VIEWS.has(view));
    box.frame.classList.toggle('busy', BUSY_VIEWS.has(view));
    this.#drawCode(opened);
    if (person) {
      box.name.textContent = person.name;
      if (box.avatar.src !== person.avatar) box.avatar.src = person.avatar;
    }
    box.number.textContent = `${number ?? ''}`;
    this.#drawTexts(view, isOffline ? connection : null, { number, name: person?.name }, problem);
    this.#drawSteps(VIEWS[view].step, Boolean(opened?.code));
    const shown = partsOf(view, connection);
    for (const part of ALL_PARTS) box[part].hidden = !shown.has(part);
    if (!navigator.clipboard) box.copy.hidden = true;
    this.#drawClock();
    // If the focused element has become invisible, the status line gets the focus.
    if (focused && !focused.checkVisibility()) box.status.focus();
  }

  /** @param {import('../scenecast.js').Opened | undefined} opened */
  #drawCode(opened) {
    const { qr, digits } = this.#box;
    const image = opened?.qr?.image ?? opened?.miniProgram?.image;
    qr.hidden = !image;
    digits.hidden = !opened?.code;
    if (image && qr.src !== image) qr.src = image;
    qr.alt = this.#text(opened?.miniProgram ? 'miniProgramCode' : 'qrCode');
    if (!opened?.code || digits.textContent === opened.code) return;
    // People read groups, copy all digits at once, and hear single digits from a screen reader.
    const groups = opened.code.match(/.{1,4}/g) ?? [];
    digits.replaceChildren(...groups.map((group) => make('span', { textContent: group })));
    digits.ariaLabel = this.#text('digits', { digits: [...opened.code].join(' ') });
    this.#box.copy.textContent = this.#text('copy');
  }

  /**
   * @param {import('./views.js').View} view
   * @param {LoginState['connection'] | null} connection What the status line says instead of the view.
   * @param {{ number?: number, name?: string }} values
   * @param {Details['problem'] | undefined} problem
   */
  #drawTexts(view, connection, values, problem) {
    const { status, advice, renew } = this.#box;
    const isHeld = view === 'waiting' && /MicroMessenger/i.test(navigator.userAgent);
    setText(status, this.#text(/** @type {TextKey} */ (connection ?? (isHeld ? 'longPress' : view)), values));
    setText(advice, this.#advice(view, values, problem));
    const { button } = /** @type {{ button?: TextKey }} */ (VIEWS[view]);
    if (button) setText(renew, this.#text(button));
  }

  /**
   * @param {import('./views.js').View} view
   * @param {{ name?: string }} values
   * @param {Details['problem'] | undefined} problem
   */
  #advice(view, values, problem) {
    if (view === 'asking') return this.#text('askingAdvice', values);
    if (problem?.retryAfter) return this.#text('adviceLater', { seconds: problem.retryAfter });
    if (problem) return this.#text('advice', { code: problem.code });
    const [name, id] = [this.getAttribute('account-name'), this.getAttribute('wechat-id')];
    const account = name && id ? `${name} (${id})` : (name ?? id);
    return account ? this.#text('sendToAdvice', { account }) : this.#text('sendAdvice');
  }

  /** @param {number} current From 1. @param {boolean} isTyped */
  #drawSteps(current, isTyped) {
    /** @type {TextKey[]} */
    const names = isTyped ? ['sendStep', 'continueStep', 'doneStep'] : ['scanStep', 'confirmStep', 'doneStep'];
    [...this.#box.steps.children].forEach((item, at) => {
      setText(item, this.#text(/** @type {TextKey} */ (names[at])));
      item.className = at + 1 < current ? 'done' : '';
      item.ariaCurrent = at + 1 === current ? 'step' : null;
    });
  }

  #drawClock() {
    const { remaining, left } = this.#box;
    const seconds = Math.ceil(this.#login?.remaining ?? 0);
    setText(remaining, `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`);
    left.style.transform = `scaleX(${seconds / (this.#state.opened?.expiresIn ?? 1)})`;
  }

  async #copy() {
    await navigator.clipboard.writeText(this.#state.opened?.code ?? '');
    this.#box.copy.textContent = this.#text('copied');
  }
}

/** Screen readers say a text again that is set again. @param {Element} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Defines `<scenecast-login>`, once for a page. Does nothing on a server.
 *
 * @param {import('../login/shared_login.js').Begin} begin Begins its logins.
 */
export function defineLogin(begin) {
  if (typeof customElements === 'undefined' || customElements.get('scenecast-login')) return;
  LoginElement.begin = begin;
  customElements.define('scenecast-login', LoginElement);
}
