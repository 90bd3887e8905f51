/** What a page knows of its login: each event makes a new state of the last. No I/O. */

/** @typedef {import('../scenecast.js').Details} Details */
/** @typedef {import('../scenecast.js').Opened} Opened */

/**
 * One state of a login. It is never changed; the next one replaces it.
 *
 * @typedef {object} LoginState
 * @property {'preparing' | 'waiting' | 'scanned' | 'confirmed' | 'declined' | 'cancelled' | 'expired' | 'problem'} step
 *     Where the login is. In `waiting` the page shows the code.
 * @property {'online' | 'offline' | 'trouble'} connection
 * @property {Opened} [opened] What to show.
 * @property {{ name: string, avatar: string }} [person] Who scanned.
 * @property {number} [number] Two digits that the page shows, and the phone has to pick.
 * @property {string} [grant] What the backend redeems, once `confirmed`.
 * @property {boolean} [typed] Whether somebody typed the code: ask “Continue as <name>?” first.
 * @property {Details['problem']} [problem]
 */

/** A login whose code isn't there yet. @type {LoginState} */
export const PREPARING = Object.freeze({ step: 'preparing', connection: 'online' });

/**
 * The state after an event.
 *
 * @template {keyof Details} Type
 * @param {LoginState} state
 * @param {Type} type
 * @param {Details[Type]} detail
 * @returns {LoginState}
 */
export function nextState(state, type, detail) {
  const event = /** @type {any} */ (detail);
  switch (type) {
    case 'opened':
      return { step: 'waiting', connection: 'online', opened: event };
    case 'scanned':
      return { ...state, step: 'scanned', person: personOf(event), number: event.number };
    case 'confirmed':
      return { ...state, step: 'confirmed', person: personOf(event), grant: event.grant, typed: event.typed };
    case 'offline':
    case 'trouble':
    case 'online':
      return { ...state, connection: /** @type {LoginState['connection']} */ (type) };
    case 'problem':
      return { step: 'problem', connection: 'online', problem: event };
    default:
      return { ...state, step: /** @type {LoginState['step']} */ (type), connection: 'online' };
  }
}

/** @param {{ name: string, avatar: string }} event */
function personOf({ name, avatar }) {
  return { name, avatar };
}
