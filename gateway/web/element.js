/**
 * Defines `<scenecast-login>`, a finished login box.
 *
 *     import '@scenecast/browser/element';
 *
 *     <scenecast-login gateway="https://gateway.example.com" account="demo" state="…"></scenecast-login>
 *
 * @module @scenecast/browser/element
 */

import { LoginElement, defineLogin } from './element/login_element.js';
import { login } from './index.js';

/** @typedef {import('./element/login_element.js').LoginElementEvents} LoginElementEvents */
/** @typedef {import('./element/login_element.js').Confirmation} Confirmation */

defineLogin(login);

export { LoginElement };
