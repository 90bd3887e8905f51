/**
 * Scenecast in the browser: opens a scene, and dispatches events with what to show and with what happens to it.
 *
 *     import { login } from 'https://gateway.example.com/v1/scenecast.js';
 *
 *     const attempt = login({ account: 'demo', state });
 *     attempt.addEventListener('opened', ({ detail }) => (image.src = detail.qr.image));
 *     attempt.addEventListener('confirmed', ({ detail }) => sendToBackend(detail.grant));
 *     attempt.addEventListener('expired', () => (button.onclick = () => attempt.renew()));
 *
 * It waits on a WebSocket. Where a proxy breaks WebSockets, it uses server-sent events, and where a proxy buffers
 * those, long poll. A connection that dies in silence is replaced within seconds. The scene's key stays in this
 * module's memory: not in a URL, not in an event, and in storage only if the site says `keepOnReload`.
 *
 * @module scenecast
 */

import { Attempt } from './attempt.js';
import { CheckedOptions } from './options.js';

/** Where this module comes from. Bundlers take `new URL(…, import.meta.url)` for a file that they should bundle. */
const MODULE_ADDRESS = import.meta.url;

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
export function login(options) {
  return new Attempt(new CheckedOptions(options, MODULE_ADDRESS));
}
