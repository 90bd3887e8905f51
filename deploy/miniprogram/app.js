/** A mini program whose only purpose is to log in the pages of its owner's site. */
App({
  globalData: {
    /** The callback's public address; a request domain (request 合法域名) of this mini program. */
    callback: 'https://callback.example.com',
    /** The name of this mini program in callback.toml. */
    account: 'mini',
  },
});
