import { login } from '@scenecast/browser';
import '@scenecast/browser/element';
import { useLogin } from '@scenecast/browser/react';

// Each line that begins a statement below is a mistake.
login({ account: 'demo' });
login({ gateway: 'https://x', account: 7 });
login({ gateway: 'https://x', account: 'demo', keeponreload: true });
login({ gateway: 'https://x', account: 'demo' }).addEventListener('confrimed', () => {});
login({ gateway: 'https://x', account: 'demo' }).removeEventListener('scaned', null);
login({ gateway: 'https://x', account: 'demo' }).addEventListener('confirmed', ({ detail }) => detail.openid);
document.querySelector('scenecast-login')!.addEventListener('confrimed', () => {});
document.querySelector('scenecast-login')!.addEventListener('confirmed', ({ detail }) => detail.openid);
document.querySelector('scenecast-login')!.addEventListener('confirmed', (event) => event.wait());
useLogin({ account: 'demo' });
useLogin({ gateway: 'https://x', account: 'demo' }).setp;
