/** What a login box shows in each state of its login. No I/O. */

/** @typedef {import('../login/login_state.js').LoginState} LoginState */
/** @typedef {import('./texts.js').TextKey} TextKey */
/** What became of a confirmed login on its page. @typedef {'refused' | 'redeeming' | 'loggedIn'} Outcome */

/**
 * A part of the box that is not always shown.
 *
 * @typedef {'handle' | 'cover' | 'avatar' | 'name' | 'number' | 'renew' | 'clock' | 'advice' | 'choice' | 'another' |
 *   'copy' | 'tryNow'} Part
 */

/**
 * The box's views: which parts are visible, which step of the login is marked, and the text of the button. The status
 * line of a view is the text with the view's name.
 *
 * @satisfies {Record<string, { shows: Part[], step: number, button?: TextKey }>}
 */
export const VIEWS = {
  preparing: { shows: [], step: 1 },
  waiting: { shows: ['handle', 'clock'], step: 1 },
  typing: { shows: ['handle', 'clock', 'advice', 'copy'], step: 1 },
  scanned: { shows: ['handle', 'cover', 'avatar', 'name', 'clock', 'another'], step: 2 },
  picking: { shows: ['cover', 'avatar', 'name', 'number', 'clock', 'another'], step: 2 },
  asking: { shows: ['cover', 'avatar', 'name', 'advice', 'choice'], step: 2 },
  redeeming: { shows: ['handle', 'cover', 'avatar', 'name'], step: 2 },
  loggedIn: { shows: ['cover', 'avatar', 'name'], step: 4 },
  refused: { shows: ['handle', 'cover', 'renew'], step: 1, button: 'newCode' },
  expired: { shows: ['handle', 'cover', 'renew'], step: 1, button: 'newCode' },
  declined: { shows: ['handle', 'cover', 'renew'], step: 1, button: 'newCode' },
  cancelled: { shows: ['handle', 'cover', 'renew'], step: 1, button: 'newCode' },
  unreachable: { shows: [], step: 1 },
  problem: { shows: ['cover', 'renew', 'advice'], step: 1, button: 'tryAgain' },
};

/** @typedef {keyof typeof VIEWS} View */

/** All parts that some view shows. @type {Set<Part>} */
export const ALL_PARTS = new Set([...Object.values(VIEWS).flatMap(({ shows }) => /** @type {Part[]} */ (shows)), 'tryNow']);

/**
 * The view of this state. After a login was confirmed, `outcome` is what became of it.
 *
 * @param {LoginState} state
 * @param {Outcome | undefined} outcome
 * @returns {View}
 */
export function viewOf({ step, connection, opened, number, typed }, outcome) {
  switch (step) {
    case 'preparing':
      return connection === 'online' ? 'preparing' : 'unreachable';
    case 'waiting':
      return opened?.code ? 'typing' : 'waiting';
    case 'scanned':
      return number ? 'picking' : 'scanned';
    case 'confirmed':
      return outcome ?? (typed ? 'asking' : 'redeeming');
    default:
      return step;
  }
}

/**
 * The parts that the box shows: those of its view, without a clock that has stopped, and with a way to connect at once.
 *
 * @param {View} view
 * @param {LoginState['connection']} connection
 * @returns {Set<Part>}
 */
export function partsOf(view, connection) {
  const parts = new Set(/** @type {Part[]} */ (VIEWS[view].shows));
  if (connection !== 'online') parts.delete('clock');
  if (connection === 'offline') parts.add('tryNow');
  return parts;
}
