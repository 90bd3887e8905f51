
/** Appended to the types of `./element`: JSDoc can't say it. */
declare global {
  interface HTMLElementTagNameMap {
    'scenecast-login': LoginElement;
  }
}
