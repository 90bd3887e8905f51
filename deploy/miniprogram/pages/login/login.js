/** The login page: tells whoever opened its code what they are about to log in to, and asks. */

const { textsFor } = require('./texts.js');

/** How often a call is made that gets no answer. The callback takes a repeat for what it is. */
const ATTEMPTS = 4;
const PAUSE_MS = 1000;

const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

/** A code that says who holds this phone: good once, for five minutes. */
const jsCode = () =>
  new Promise((resolve, reject) => wx.login({ success: ({ code }) => resolve(code), fail: reject }));

/** Posts once. Answers status 0 where no answer came. */
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

/** Posts until there is an answer that stays; throws the problem's code if that isn't 200. */
async function call(name, data) {
  for (let attempt = 1; ; attempt += 1) {
    const { status, body } = await post(name, data);
    if (status === 200) return body;
    const code = body.code || 'problem';
    // The answer to this code's first use was lost for good: another one says the same.
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
      const known = ['site', 'host', 'address', 'browser'].filter((name) => scanned[name]);
      this.setData({
        facts: known.map((name) => ({ label: this.data.t[name], value: scanned[name] })),
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

  /** Says how it ended. */
  end(message) {
    this.setData({ view: message === 'problem' ? 'problem' : 'end', message: this.data.t[message] });
  },

  show(view) {
    this.setData({ view, message: this.data.t[view] });
  },
});
