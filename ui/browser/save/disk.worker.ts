// The worker that writes files of the origin-private file system: only a worker may do so at an offset, and flush.
import type { DiskAnswer, DiskCall } from './disk';
import { release } from './release';

// TypeScript's library for pages leaves out what only workers have.
interface SyncAccessHandle {
  write(bytes: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}
interface SyncFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<SyncAccessHandle>;
}

const open = new Map<number, SyncAccessHandle>();

// One call after the other, in their order.
let tail: Promise<void> = Promise.resolve();
self.onmessage = ({ data }: MessageEvent<DiskCall>) => {
  tail = tail.then(async () => self.postMessage(await answer(data)));
};

async function answer(call: DiskCall): Promise<DiskAnswer> {
  try {
    return { id: call.id, size: await carryOut(call) };
  } catch (error) {
    const known = error instanceof Error || error instanceof DOMException;
    const { name, message } = known ? error : { name: 'unknown', message: '' };
    return { id: call.id, error: { name, message } };
  }
}

async function carryOut(call: DiskCall): Promise<number> {
  if (call.op === 'open') {
    const file = (await call.folder.getFileHandle(call.name, { create: true })) as SyncFileHandle;
    const handle = await file.createSyncAccessHandle();
    open.set(call.file, handle);
    return handle.getSize();
  }
  const handle = open.get(call.file);
  if (handle === undefined) {
    throw new DOMException('the file is not open', 'InvalidStateError');
  }
  switch (call.op) {
    case 'write': {
      // Some browsers write less than all where there is no room, instead of failing.
      const { length } = call.bytes;
      const written = handle.write(call.bytes, { at: call.at });
      release(call.bytes);
      if (written < length) {
        throw new DOMException('not all was written', 'QuotaExceededError');
      }
      return 0;
    }
    case 'truncate':
      handle.truncate(call.size);
      return 0;
    case 'flush':
      handle.flush();
      return 0;
    case 'close':
      open.delete(call.file);
      handle.close();
      return 0;
  }
}
