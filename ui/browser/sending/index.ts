// Sending from the page: what its views are joined with.
export { Share, type ShareOptions } from './share';
