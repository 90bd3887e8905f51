/**
 * Scenecast as a package: logs a page in when somebody scans its QR code with WeChat.
 *
 *     import { login } from '@scenecast/browser';
 *
 *     const attempt = login({ gateway: 'https://gateway.example.com', account: 'demo', state });
 *     attempt.addEventListener('opened', ({ detail }) => (image.src = detail.qr?.image ?? ''));
 *     attempt.addEventListener('confirmed', ({ detail }) => sendToBackend(detail.grant));
 *
 * @module @scenecast/browser
 */

import { Attempt } from './attempt.js';
import { CheckedOptions } from './options.js';

/**
 * A module that a gateway serves knows where it comes from. This one is part of the site's own script.
 *
 * See docs/decisions/131-the-package-has-to-be-told-its-gateway.md.
 *
 * @typedef {import('./scenecast.js').Options & { gateway: string | URL }} Options
 */
/** @typedef {import('./scenecast.js').Details} Details */
/** @typedef {import('./scenecast.js').Opened} Opened */

/**
 * Starts a login. The scene is opened when the page is visible, because WeChat limits the number of codes.
 *
 * @param {Options} options
 * @returns {Attempt}
 * @throws {Error} Where there is no page, as on a server that renders one.
 */
export function login(options) {
  return new Attempt(new CheckedOptions(options));
}
