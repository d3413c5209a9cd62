// Puts a text on the clipboard, on plain HTTP too, where browsers have only the old way.

/** Resolves to whether it is there now. Called from a click. */
export async function copyText(text: string): Promise<boolean> {
  const clipboard = navigator.clipboard as Clipboard | undefined;
  try {
    if (clipboard !== undefined) {
      await clipboard.writeText(text);
      return true;
    }
  } catch {
    // Refused; the old way may not be.
  }
  const field = document.createElement('textarea');
  field.value = text;
  field.readOnly = true;
  field.className = 'unseen';
  document.body.append(field);
  field.select();
  // Deprecated, and all there is without a secure context.
  const copied = document.execCommand('copy');
  field.remove();
  return copied;
}
