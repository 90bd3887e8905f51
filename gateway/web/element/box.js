/** The elements inside a login box. Built once; what a state doesn't need is hidden. */

import { styleSheet } from './style.js';

/**
 * An element with these properties and contents.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [properties] Properties, or attributes where there is no such property.
 * @param {(Node | string)[]} contents
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, properties = {}, ...contents) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) /** @type {any} */ (element)[name] = value;
    else element.setAttribute(name, String(value));
  }
  element.append(...contents);
  return element;
}

/**
 * A part that pages can style by `::part(name)`, hidden at first.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} name Its id inside the box, and its part's name.
 * @param {Record<string, unknown>} [properties]
 * @param {(Node | string)[]} contents
 */
function hiddenPart(tag, name, properties, ...contents) {
  return make(tag, { id: name, part: name, hidden: true, ...properties }, ...contents);
}

/** The box's elements, by what they are for. */
export class Box {
  qr = hiddenPart('img', 'qr');
  digits = hiddenPart('p', 'digits', { role: 'img' });
  handle = hiddenPart('div', 'handle', {}, this.qr, this.digits);
  avatar = hiddenPart('img', 'avatar', { alt: '', width: 72, height: 72 });
  name = hiddenPart('bdi', 'name');
  // The status line says the number, too.
  number = hiddenPart('p', 'number', { ariaHidden: 'true' });
  renew = hiddenPart('button', 'renew', { type: 'button' });
  cover = hiddenPart('div', 'cover', {}, this.avatar, this.name, this.number, this.renew);
  stage = make('div', { id: 'stage', part: 'stage' }, this.handle, this.cover);
  remaining = make('span', { id: 'remaining', role: 'timer', ariaLive: 'off' });
  remainingLabel = make('span');
  left = make('span', { id: 'left' });
  clock = hiddenPart('div', 'clock', {},
    make('div', { id: 'bar', part: 'bar' }, this.left),
    make('p', {}, this.remainingLabel, ' ', this.remaining));
  status = make('p', { id: 'status', part: 'status', role: 'status', tabIndex: -1 });
  advice = hiddenPart('p', 'advice');
  copy = hiddenPart('button', 'copy', { type: 'button', className: 'quiet' });
  tryNow = hiddenPart('button', 'try-now', { type: 'button', className: 'quiet' });
  another = hiddenPart('button', 'another', { type: 'button', className: 'quiet' });
  goOn = make('button', { id: 'continue', part: 'continue', type: 'button' });
  notMe = make('button', { id: 'not-me', part: 'not-me', type: 'button', className: 'quiet' });
  choice = hiddenPart('div', 'choice', {}, this.goOn, this.notMe);
  steps = make('ol', { id: 'steps', part: 'steps' }, make('li'), make('li'), make('li'));
  frame = make('div', { id: 'box', part: 'box' },
    this.stage,
    make('div', { id: 'words' }, this.clock, this.status, this.advice, this.copy, this.tryNow, this.another,
      this.choice, make('slot'), this.steps));

  /** @param {ShadowRoot} root */
  constructor(root) {
    root.adoptedStyleSheets = [styleSheet()];
    root.append(this.frame);
  }
}
