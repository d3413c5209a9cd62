// Mounts the page behind a link into index.html.
import '../shared/tokens.css';
import '../shared/controls.css';
import { trustOwnScripts } from './trusted';

trustOwnScripts();
