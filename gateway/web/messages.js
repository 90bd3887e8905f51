/** What the gateway sends, checked: nothing that comes from the network is taken for what it should be. */

/** A message from the gateway. @typedef {{ type: string, [field: string]: any }} Message */

/** The fields of each message that the module relies on. One with a `?` may be missing. */
const FIELDS = new Map(
  Object.entries({
    opened: { scene: 'string', key: 'string', expires_in: 'number', heartbeat: 'number?' },
    resumed: { state: 'string', expires_in: 'number?', heartbeat: 'number?' },
    scanned: { seq: 'number', name: 'string?', avatar: 'string?', number: 'number?' },
    confirmed: { seq: 'number', grant: 'string', name: 'string?', avatar: 'string?', typed: 'boolean?' },
    declined: { seq: 'number' },
    cancelled: { seq: 'number' },
    expired: {},
    trouble: {},
    heartbeat: {},
    restart: { retry_after_ms: 'number' },
    problem: { code: 'string', detail: 'string?', retry_after: 'number?' },
  }),
);

/**
 * The message in a text, or null if a gateway doesn't send such a text.
 *
 * @param {unknown} text
 * @returns {Message | null}
 */
export function parseMessage(text) {
  try {
    return checked(JSON.parse(/** @type {string} */ (text)));
  } catch {
    return null;
  }
}

/**
 * The value as a message, or null if it isn't one.
 *
 * @param {any} value
 * @returns {Message | null}
 */
export function checked(value) {
  if (typeof value?.type !== 'string') return null;
  const fields = FIELDS.get(value.type);
  if (!fields) return passedOver(value);
  const isComplete = Object.entries(fields).every(([name, type]) => hasType(value[name], type));
  return isComplete && (value.type !== 'opened' || isShowable(value)) ? value : null;
}

/**
 * A message of a newer gateway, which this module doesn't know. Of an event the `seq` is kept: the next poll asks for
 * those after it.
 *
 * @param {{ seq?: unknown }} value
 * @returns {Message}
 */
function passedOver({ seq }) {
  return typeof seq === 'number' ? { type: 'unknown', seq } : { type: 'unknown' };
}

/**
 * Whether a connection may begin with this message: a page without a scene gets one, and a page with a scene its state.
 *
 * @param {Message} message
 * @param {boolean} hasScene
 */
export function isFirst({ type }, hasScene) {
  return type === 'problem' || type === 'expired' || type === (hasScene ? 'resumed' : 'opened');
}

/** @param {any} value @param {string} type */
function hasType(value, type) {
  if (type.endsWith('?') && value === undefined) return true;
  return typeof value === type.replace('?', '');
}

/** Whether a new scene has one of the codes that a page can show. @param {any} opened */
function isShowable({ qr, mini_program: miniProgram, code }) {
  const isQr = typeof qr?.url === 'string' && typeof qr.svg === 'string';
  return isQr || typeof miniProgram?.image === 'string' || typeof code === 'string';
}

/** @param {Message} message */
export function problemOf({ code, detail, retry_after: retryAfter }) {
  return { code, detail, retryAfter };
}
