// Mounts the window into index.html, over the shell that it belongs to.
import '../shared/tokens.css';
import '../shared/controls.css';
import '../shared/languages';
import { mount } from 'svelte';
import App from './App.svelte';
import { asFailure, shell } from './backend';
import { Session } from './session.svelte';

const target = document.getElementById('app');
if (target === null) {
  throw new Error('index.html has no element with the id "app"');
}
const session = new Session(shell);
mount(App, { target, props: { session } });
session.begin().catch((error: unknown) => {
  session.failed(asFailure(error));
});
