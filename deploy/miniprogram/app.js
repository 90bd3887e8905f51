/** A mini program that does nothing but log its owner's web pages in. */
App({
  globalData: {
    /** The callback's public address; a request domain (request 合法域名) of this mini program. */
    callback: 'https://callback.example.com',
    /** What callback.toml calls this mini program. */
    account: 'mini',
  },
});
