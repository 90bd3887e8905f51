/**
 * What the transports have in common. Each passes on a scene's messages, from the event after `scene.seq` until its
 * connection ends. All of them pass on the messages that the WebSocket has, and return how the connection ended.
 *
 * A connection may die without anybody closing it: a laptop slept, a phone's browser was in the background, a firewall
 * forgot it. So the gateway sends something every few seconds, and each transport takes longer silence for the end.
 */

/** States of a scene without further events. */
export const FINAL_STATES = new Set(['confirmed', 'redeemed', 'declined', 'cancelled']);

/** @typedef {(message: import('./messages.js').Message) => void} OnMessage */
