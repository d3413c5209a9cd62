// Mounts the page into index.html: what it is for stands in its address, and what does that is loaded then.
import '../shared/tokens.css';
import '../shared/controls.css';
import { mount } from 'svelte';
import Page from './Page.svelte';
import type { Receiving, Sending } from './page';
import { type Route, readRoute } from './route';
import { speak } from './speak';
import { trustOwnScripts } from './trusted';

async function openReceiving(route: Route): Promise<Receiving | undefined> {
  if (route.at !== 'receive') {
    return undefined;
  }
  const [{ Receiver }, saving] = await Promise.all([import('./receiving'), import('./save')]);
  return new Receiver(route.link, saving);
}

async function openSending(route: Route): Promise<Sending | undefined> {
  if (route.at !== 'send') {
    return undefined;
  }
  const { Share } = await import('./sending');
  return new Share({ origin: location.origin });
}

const target = document.getElementById('app');
if (target === null) {
  throw new Error('index.html has no element with the id "app"');
}
trustOwnScripts();
// Another fragment is another link, and so another page.
addEventListener('hashchange', () => {
  location.reload();
});
const route = readRoute(location.href);
const [language, receiving, sending] = await Promise.all([
  speak(),
  openReceiving(route),
  openSending(route),
]);
mount(Page, {
  target,
  props: {
    route,
    language,
    receiving,
    sending,
    server: location.host,
    secure: isSecureContext,
  },
});
