// Loads every language at once, for what changes its own while it is drawn. A page that has one loads one.
import { CATALOGUES } from './language.svelte';
import de from './messages/de.json';
import es from './messages/es.json';
import fr from './messages/fr.json';
import zh from './messages/zh.json';

Object.assign(CATALOGUES, { de, fr, es, zh });
