// Asks for a folder to share, where the browser can give one whole.

type Picker = (options: { id: string; mode: 'read' }) => Promise<FileSystemDirectoryHandle>;

/** The folder; nothing if the person thought better of it; `unsupported` where an input must do. From a click. */
export async function pickFolder(): Promise<FileSystemDirectoryHandle | 'unsupported' | undefined> {
  const { showDirectoryPicker } = globalThis as { showDirectoryPicker?: Picker };
  if (showDirectoryPicker === undefined) {
    return 'unsupported';
  }
  try {
    return await showDirectoryPicker({ id: 'share', mode: 'read' });
  } catch (error) {
    return error instanceof DOMException && error.name === 'AbortError' ? undefined : 'unsupported';
  }
}
