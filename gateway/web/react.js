'use client';
/**
 * Scenecast in React: a login box as a component, and a hook for a box of your own. Both open one scene, however often
 * React mounts them.
 *
 *     <ScenecastLogin gateway="https://gateway.example.com" account="demo" state={state}
 *       onConfirmed={({ grant }) => sendToBackend(grant)} />
 *
 * @module @scenecast/browser/react
 */

import { createElement, useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import { attributesOf } from './element/attributes.js';
import { defineLogin } from './element/login_element.js';
import { login } from './index.js';
import { PREPARING } from './login/login_state.js';
import { keyOf, loginOf, sharedLogin } from './login/shared_login.js';

/** @typedef {import('./login/login_state.js').LoginState} LoginState */
/** @typedef {import('./element/login_element.js').Confirmation} Confirmation */
/** @typedef {import('./index.js').Options & { autoRenew?: number }} LoginOptions */

/** @typedef {import('./element/attributes.js').BoxOptions & BoxHandlers & { className?: string, id?: string }} LoginBoxProps */

/**
 * @typedef {object} BoxHandlers
 * @property {(login: Confirmation) => unknown} onConfirmed
 * @property {(problem: import('./index.js').Details['problem']) => void} [onProblem]
 */

/**
 * A login, and what a page can do with it.
 *
 * @typedef {LoginState & {
 *   renew: () => void,
 *   cancel: () => void,
 *   reconnect: () => void,
 *   remaining: () => number,
 * }} Login
 */

/**
 * The login with these options; equal options are the same login. Renders `preparing` on a server.
 *
 * @param {LoginOptions} options
 * @returns {Login}
 */
export function useLogin(options) {
  const key = keyOf(options);
  const subscribe = useCallback(
    (/** @type {() => void} */ changed) => sharedLogin(options, login).subscribe(changed),
    // Equal options have equal keys.
    [key],
  );
  const state = useSyncExternalStore(subscribe, () => loginOf(key)?.state ?? PREPARING, () => PREPARING);
  return useMemo(
    () => ({
      ...state,
      renew: () => loginOf(key)?.renew(),
      cancel: () => loginOf(key)?.cancel(),
      reconnect: () => loginOf(key)?.reconnect(),
      remaining: () => loginOf(key)?.remaining ?? 0,
    }),
    [state, key],
  );
}

/**
 * A login box. `onConfirmed` gets the login once its person has agreed to it. If it returns a promise, the box says that
 * it is logging in until the promise is settled, then that the person is logged in, or that it didn't work.
 *
 * @param {LoginBoxProps} props
 */
export function ScenecastLogin({ onConfirmed, onProblem, ...props }) {
  /** @type {import('react').RefObject<import('./element/login_element.js').LoginElement | null>} */
  const box = useRef(null);
  const handlers = useRef({ onConfirmed, onProblem });
  useEffect(() => {
    handlers.current = { onConfirmed, onProblem };
  });
  useEffect(() => {
    defineLogin(login);
    const element = box.current;
    const listening = new AbortController();
    const { signal } = listening;
    element?.addEventListener(
      'confirmed',
      (event) => event.waitUntil(handlers.current.onConfirmed?.(event.detail)),
      { signal },
    );
    element?.addEventListener('problem', ({ detail }) => handlers.current.onProblem?.(detail), { signal });
    return () => listening.abort();
  }, []);
  return createElement('scenecast-login', { ref: box, ...attributesOf(props) });
}
