/** Options of a page, read one by one. */
declare class CheckedOptions$1 {
    /**
     * @param {Options} options
     * @param {string} [servedAt] Where the module comes from, if that may be the gateway.
     * @throws {Error} Where there is no page, as on a server that renders one.
     */
    constructor(options: Options$1, servedAt?: string);
    /** @type {OpenRequest} */
    request: OpenRequest;
    /** The base address of the gateway's calls. */
    api: URL;
    keepOnReload: boolean;
    /** The problem of a page that can't connect with these options, or null. */
    get problem(): {
        code: string;
        detail: string;
    } | null;
    #private;
}
type Options$1 = Options;
/**
 * The body of the call that opens a scene.
 */
type OpenRequest = {
    account: string;
    state?: string;
    locale?: string;
};

/**
 * @template {keyof Details} Type
 * @typedef {((event: CustomEvent<Details[Type]>) => void) | { handleEvent(event: CustomEvent<Details[Type]>): void }} Listener
 */
/** A login attempt. Its events are `CustomEvent`s; see `Details`. */
declare class Attempt$1 extends EventTarget {
    /** @param {CheckedOptions} options */
    constructor({ request, api, keepOnReload, problem }: CheckedOptions);
    /**
     * As of any `EventTarget`, and a type checker refuses events that there are not.
     *
     * @override
     * @template {keyof Details} Type
     * @param {Type} type
     * @param {Listener<Type> | null} listener
     * @param {boolean | AddEventListenerOptions} [options]
     */
    override addEventListener<Type extends keyof Details$2>(type: Type, listener: Listener<Type> | null, options?: boolean | AddEventListenerOptions): void;
    /**
     * @override
     * @template {keyof Details} Type
     * @param {Type} type
     * @param {Listener<Type> | null} listener
     * @param {boolean | EventListenerOptions} [options]
     */
    override removeEventListener<Type extends keyof Details$2>(type: Type, listener: Listener<Type> | null, options?: boolean | EventListenerOptions): void;
    /** What is left of the shown scene's life, in seconds; 0 without one. */
    get remaining(): number;
    /** Opens a new scene in place of the last one. */
    renew(): void;
    /** Connects at once, if the page is `offline` and would wait. */
    reconnect(): void;
    /** Cancels the login. */
    cancel(): void;
    #private;
}
type CheckedOptions = CheckedOptions$1;
type Details$2 = Details$1;
type Listener<Type extends keyof Details$2> = ((event: CustomEvent<Details$2[Type]>) => void) | {
    handleEvent(event: CustomEvent<Details$2[Type]>): void;
};

/**
 * @typedef {object} Options
 * @property {string} account The name of the account to log in with, as in the deployment's configuration.
 * @property {string} [state] What ties the login to this browser's session, at most 256 bytes; the backend redeems with
 *     the same.
 * @property {string} [locale] The language of the texts on the phone, such as `zh-CN`; by default the page's.
 * @property {string | URL} [gateway] The gateway's address, or a path on the page's own host that a proxy leads to it; by
 *     default, the one that this module comes from. A page that bundles this module has to say it.
 * @property {boolean} [keepOnReload] Whether a page that is reloaded in the middle of a login goes on with the same
 *     code. The scene's key is then kept in the tab's `sessionStorage`: whoever can run a script in a page of this
 *     origin can read it there, and so get the login that the scene brings. Without it, a page that is left or reloaded
 *     gives its scene up, and the phone is told so.
 */
/**
 * The `detail` of each event, by its type. After one of the last five, no event follows until `renew()`.
 *
 * @typedef {object} Details
 * @property {Opened} opened What to show.
 * @property {{ retryIn: number }} offline The connection is lost. The next attempt follows in so many seconds.
 * @property {{}} trouble The gateway is connected, but can't get the scene's events for now. They follow
 *     later, after `online`.
 * @property {{ state: string }} online The connection is back, or the trouble is over. The scene is in this state.
 * @property {{ name: string, avatar: string, number?: number }} scanned Somebody scanned, and has yet to confirm.
 *     If there is a number of two digits, the page shows it, and the phone has to pick it.
 * @property {{ name: string, avatar: string, grant: string, typed: boolean }} confirmed The backend can redeem the
 *     grant. If `typed`, somebody typed the code, and another person may have done so by mistake. So the page asks
 *     “Continue as <name>?” first, and drops the grant if the answer is no.
 * @property {{}} declined The person who scanned said no.
 * @property {{}} cancelled The page cancelled it.
 * @property {{}} expired Nobody confirmed in time.
 * @property {{ code: string, detail: string, retryAfter?: number }} problem
 *     The gateway refuses, and would refuse again. With `retryAfter`, it might not after so many seconds. The code
 *     `browser_unsupported` means that this browser, or the page's content security policy, allows no connection;
 *     `option_invalid` that the options can't be used, and the detail names each that is wrong; `origin_forbidden` that
 *     the gateway's operator has yet to allow this page's origin. The console gets each problem, too.
 */
/**
 * A scene that lives for `expiresIn` seconds, and the code by which the phone finds it. The code is one of three: a
 * QR code, as its address and as an image for an `<img>`; a mini-program code, as an image; or digits that the user
 * types into a chat with the account, best shown in groups of four.
 *
 * @typedef {object} Opened
 * @property {string} scene
 * @property {number} expiresIn
 * @property {{ url: string, image: string }} [qr]
 * @property {{ image: string }} [miniProgram]
 * @property {string} [code]
 */
/**
 * Starts a login. The scene is opened when the page is visible, because WeChat limits the number of codes.
 *
 * @param {Options} options
 * @returns {Attempt}
 */
declare function login(options: Options): Attempt$1;
type Options = {
    /**
     * The name of the account to log in with, as in the deployment's configuration.
     */
    account: string;
    /**
     * What ties the login to this browser's session, at most 256 bytes; the backend redeems with
     * the same.
     */
    state?: string | undefined;
    /**
     * The language of the texts on the phone, such as `zh-CN`; by default the page's.
     */
    locale?: string | undefined;
    /**
     * The gateway's address, or a path on the page's own host that a proxy leads to it; by
     * default, the one that this module comes from. A page that bundles this module has to say it.
     */
    gateway?: string | URL | undefined;
    /**
     * Whether a page that is reloaded in the middle of a login goes on with the same
     * code. The scene's key is then kept in the tab's `sessionStorage`: whoever can run a script in a page of this
     * origin can read it there, and so get the login that the scene brings. Without it, a page that is left or reloaded
     * gives its scene up, and the phone is told so.
     */
    keepOnReload?: boolean | undefined;
};
/**
 * The `detail` of each event, by its type. After one of the last five, no event follows until `renew()`.
 */
type Details$1 = {
    /**
     * What to show.
     */
    opened: Opened;
    /**
     * The connection is lost. The next attempt follows in so many seconds.
     */
    offline: {
        retryIn: number;
    };
    /**
     * The gateway is connected, but can't get the scene's events for now. They follow
     * later, after `online`.
     */
    trouble: {};
    /**
     * The connection is back, or the trouble is over. The scene is in this state.
     */
    online: {
        state: string;
    };
    /**
     * Somebody scanned, and has yet to confirm.
     * If there is a number of two digits, the page shows it, and the phone has to pick it.
     */
    scanned: {
        name: string;
        avatar: string;
        number?: number;
    };
    /**
     * The backend can redeem the
     * grant. If `typed`, somebody typed the code, and another person may have done so by mistake. So the page asks
     * “Continue as <name>?” first, and drops the grant if the answer is no.
     */
    confirmed: {
        name: string;
        avatar: string;
        grant: string;
        typed: boolean;
    };
    /**
     * The person who scanned said no.
     */
    declined: {};
    /**
     * The page cancelled it.
     */
    cancelled: {};
    /**
     * Nobody confirmed in time.
     */
    expired: {};
    /**
     *     The gateway refuses, and would refuse again. With `retryAfter`, it might not after so many seconds. The code
     *     `browser_unsupported` means that this browser, or the page's content security policy, allows no connection;
     *     `option_invalid` that the options can't be used, and the detail names each that is wrong; `origin_forbidden` that
     *     the gateway's operator has yet to allow this page's origin. The console gets each problem, too.
     */
    problem: {
        code: string;
        detail: string;
        retryAfter?: number;
    };
};
/**
 * A scene that lives for `expiresIn` seconds, and the code by which the phone finds it. The code is one of three: a
 * QR code, as its address and as an image for an `<img>`; a mini-program code, as an image; or digits that the user
 * types into a chat with the account, best shown in groups of four.
 */
type Opened = {
    scene: string;
    expiresIn: number;
    qr?: {
        url: string;
        image: string;
    } | undefined;
    miniProgram?: {
        image: string;
    } | undefined;
    code?: string | undefined;
};

type Attempt = Attempt$1;
/**
 * Begins a login.
 */
type Begin = (options: any) => Attempt;

declare class LoginElement extends HTMLElement {
    static observedAttributes: string[];
    /** Begins the logins of all boxes. @type {import('../login/shared_login.js').Begin} */
    static begin: Begin;
    /** Asks for a new code. */
    renew(): void;
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
    override addEventListener<Type extends keyof LoginElementEvents | keyof HTMLElementEventMap>(type: Type, listener: ((event: Type extends keyof LoginElementEvents ? LoginElementEvents[Type] : Type extends keyof HTMLElementEventMap ? HTMLElementEventMap[Type] : Event) => unknown) | EventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
    connectedCallback(): void;
    disconnectedCallback(): void;
    /** Frameworks set attributes one by one, so the login changes once they are done. */
    attributeChangedCallback(): void;
    #private;
}
type Details = Details$1;
/**
 * A login that its person agreed to. The backend redeems the grant.
 */
type Confirmation = {
    grant: string;
    name: string;
    avatar: string;
};
/**
 * What a box dispatches `confirmed` with. `waitUntil` has the box say that it is logging in until the promise is settled:
 * then that the person is logged in, or that it didn't work, with the error's `code` if it has one.
 */
type ConfirmedEvent = CustomEvent<Confirmation> & {
    waitUntil: (work: unknown) => void;
};
/**
 * The events of a box.
 */
type LoginElementEvents = { [Type in Exclude<keyof Details, "confirmed">]: CustomEvent<Details[Type]>; } & {
    confirmed: ConfirmedEvent;
};

export { LoginElement, login };

/** Appended to the types of `./element`: JSDoc can't say it. */
declare global {
  interface HTMLElementTagNameMap {
    'scenecast-login': LoginElement;
  }
}
