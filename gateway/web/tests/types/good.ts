import { login, type Details, type Options } from '@scenecast/browser';
import { LoginElement, type Confirmation } from '@scenecast/browser/element';

const options: Options = { gateway: new URL('https://gateway.example.com'), account: 'demo', state: 's' };
const attempt = login(options);
attempt.addEventListener('opened', ({ detail }) => {
  const picture: string | undefined = detail.qr?.image;
  const digits: string | undefined = detail.code;
  console.log(picture, digits, detail.expiresIn.toFixed());
});
attempt.addEventListener('scanned', ({ detail: { name, number } }) => console.log(name.length, number?.toFixed()), { once: true });
const onConfirmed = ({ detail }: CustomEvent<Details['confirmed']>) => console.log(detail.grant, detail.typed);
attempt.addEventListener('confirmed', onConfirmed);
attempt.removeEventListener('confirmed', onConfirmed);
attempt.renew();
attempt.reconnect();
attempt.cancel();
const seconds: number = attempt.remaining;

const box = document.querySelector('scenecast-login');
box?.addEventListener('confirmed', (event) => {
  const login: Confirmation = event.detail;
  event.waitUntil(fetch('/session', { method: 'POST', body: login.grant }));
});
box?.addEventListener('problem', ({ detail }) => console.log(detail.code, detail.retryAfter?.toFixed()));
box?.addEventListener('click', ({ clientX }) => console.log(clientX, seconds));
box?.renew();
console.log(box instanceof LoginElement);
