/** The login page: shows the person who opened its code which page they are about to log in to, and asks them. */

const { textsFor } = require('./texts.js');

/** How often a call without an answer is tried. Repeating is harmless: the callback recognises a repeat. */
const ATTEMPTS = 4;
const PAUSE_MS = 1000;

const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

/** A new `js_code`, which tells the callback who uses this phone. It can be used once, within five minutes. */
const jsCode = () =>
  new Promise((resolve, reject) => wx.login({ success: ({ code }) => resolve(code), fail: reject }));

/** Posts once. Resolves with status 0 if there is no answer. */
const post = (call, data) =>
  new Promise((resolve) =>
    wx.request({
      url: `${getApp().globalData.callback}/v1/miniapp/${call}`,
      method: 'POST',
      header: { 'content-type': 'application/json' },
      data,
      success: ({ statusCode, data: body }) => resolve({ status: statusCode, body }),
      fail: () => resolve({ status: 0, body: {} }),
    }),
  );

/** Posts, and repeats while there is no answer or a 5xx. Throws the problem's code if the last answer isn't a 200. */
async function call(name, data) {
  for (let attempt = 1; ; attempt += 1) {
    const { status, body } = await post(name, data);
    if (status === 200) return body;
    const code = body.code || 'problem';
    // This `js_code` was used, and its answer is lost. A new one identifies the same person.
    if (code === 'js_code_invalid' && attempt < ATTEMPTS) data = { ...data, js_code: await jsCode() };
    else if ((status === 0 || status >= 500) && attempt < ATTEMPTS) await pause();
    else throw new Error(code);
  }
}

Page({
  data: { view: 'loading', message: '', t: {}, facts: [], choices: [] },

  onLoad(options) {
    this.setData({ t: textsFor(wx.getAppBaseInfo().language) });
    this.scene = decodeURIComponent(options.scene || '');
    return this.scan();
  },

  async scan() {
    if (!this.scene) return this.end('noCode');
    this.show('loading');
    const { account } = getApp().globalData;
    return this.attempt(async () => {
      const scanned = await call('scan', { account, js_code: await jsCode(), scene: this.scene });
      this.ticket = scanned.ticket;
      if (scanned.state !== 'scanned') return this.end(scanned.state);
      // A page that hides something of itself is not to go unnoticed. Only the site's own name is optional.
      const facts = [...(scanned.site ? ['site'] : []), 'host', 'address', 'browser'];
      this.setData({
        facts: facts.map((name) => ({ label: this.data.t[name], value: scanned[name] || this.data.t.unknown })),
        choices: scanned.choices || [],
      });
      return this.show(scanned.choices ? 'pick' : 'ask');
    });
  },

  /** A tap on “log in”, or on a number. */
  confirm({ currentTarget: { dataset } }) {
    return this.answer('number' in dataset ? { decision: 'confirm', number: dataset.number } : { decision: 'confirm' });
  },

  decline() {
    return this.answer({ decision: 'decline' });
  },

  answer(answer) {
    this.show('loading');
    return this.attempt(async () => this.end((await call('confirm', { ticket: this.ticket, ...answer })).state));
  },

  async attempt(work) {
    try {
      await work();
    } catch ({ message }) {
      this.end(message in this.data.t ? message : 'problem');
    }
  },

  /** Shows the result. */
  end(message) {
    this.setData({ view: message === 'problem' ? 'problem' : 'end', message: this.data.t[message] });
  },

  show(view) {
    this.setData({ view, message: this.data.t[view] });
  },
});
