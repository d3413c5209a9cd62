// Mounts the window's one view into index.html.
import '../shared/tokens.css';
import { mount } from 'svelte';
import App from './App.svelte';

const target = document.getElementById('app');
if (target === null) {
  throw new Error('index.html has no element with the id "app"');
}
mount(App, { target });
