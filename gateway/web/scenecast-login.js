/**
 * `<scenecast-login>` as gateways serve it: together with `login`, and with the gateway that it comes from.
 *
 *     <script type="module" src="https://gateway.example.com/v1/scenecast-login.js"></script>
 *     <scenecast-login account="demo" state="…"></scenecast-login>
 *
 * @module scenecast-login
 */

import { LoginElement, defineLogin } from './element/login_element.js';
import { login } from './scenecast.js';

defineLogin(login);

export { LoginElement, login };
