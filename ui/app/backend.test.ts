// The way to the shell, with the bridge beneath it played by a function.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { asFailure, shell, type Backend } from './backend';
import { freshSnapshot } from './testing';

let asked: [command: string, values: unknown][] = [];
let answer: (command: string) => unknown = () => null;

beforeEach(() => {
  asked = [];
  answer = () => null;
  Object.assign(window, {
    __TAURI_INTERNALS__: {
      transformCallback: () => 7,
      unregisterCallback: () => undefined,
      invoke: (command: string, values: unknown) => {
        asked.push([command, values]);
        return Promise.resolve().then(() => answer(command));
      },
    },
  });
});

afterEach(() => {
  delete (window as { __TAURI_INTERNALS__?: unknown }).__TAURI_INTERNALS__;
});

const terms = {
  name: null,
  password: null,
  endsAt: null,
  downloads: null,
  limit: null,
  slots: null,
};

const commands: [keyof Backend, string, unknown[], unknown][] = [
  ['shareFiles', 'share_files', [terms], { terms }],
  ['shareFolder', 'share_folder', [terms], { terms }],
  ['setTerms', 'set_terms', ['s', terms], { id: 's', terms }],
  ['pauseShare', 'pause_share', ['s', true], { id: 's', paused: true }],
  ['endShare', 'end_share', ['s'], { id: 's' }],
  ['restartShare', 'restart_share', ['s'], { id: 's' }],
  ['removeShare', 'remove_share', ['s'], { id: 's' }],
  ['pauseReceiver', 'pause_receiver', ['s', 'r', true], { id: 's', receiver: 'r', paused: true }],
  ['limitReceiver', 'limit_receiver', ['s', 'r', 9], { id: 's', receiver: 'r', limit: 9 }],
  ['letGo', 'let_go', ['s', 'r'], { id: 's', receiver: 'r' }],
  ['copyLink', 'copy_link', ['s', true], { id: 's', deep: true }],
  ['qr', 'qr', ['s'], { id: 's' }],
  ['openLink', 'open_link', ['x'], { text: 'x' }],
  ['givePassword', 'give_password', ['d', 'p'], { id: 'd', password: 'p' }],
  ['rows', 'rows', ['d', 1, 2], { id: 'd', from: 1, count: 2 }],
  ['openRow', 'open_row', ['d', 1, true], { id: 'd', node: 1, open: true }],
  ['tickRow', 'tick_row', ['d', 1, true], { id: 'd', node: 1, ticked: true }],
  ['tickAll', 'tick_all', ['d', true], { id: 'd', ticked: true }],
  ['chooseFolder', 'choose_folder', ['d'], { id: 'd' }],
  ['setConflict', 'set_conflict', ['d', 'skip'], { id: 'd', conflict: 'skip' }],
  ['startDownload', 'start_download', ['d'], { id: 'd' }],
  ['pauseDownload', 'pause_download', ['d', true], { id: 'd', paused: true }],
  ['retryDownload', 'retry_download', ['d'], { id: 'd' }],
  ['removeDownload', 'remove_download', ['d'], { id: 'd' }],
  ['showDownload', 'show_download', ['d'], { id: 'd' }],
  ['history', 'history', [], {}],
  ['forgetHistory', 'forget_history', [null], { id: null }],
  ['showHistory', 'show_history', ['h'], { id: 'h' }],
  ['saveSettings', 'save_settings', [{ slots: 5 }], { change: { slots: 5 } }],
  ['chooseDownloadFolder', 'choose_download_folder', [], {}],
  ['testConnection', 'test_connection', [], {}],
  ['lookForUpdate', 'look_for_update', [], {}],
  ['fetchUpdate', 'fetch_update', [], {}],
  ['installUpdate', 'install_update', [], {}],
  ['quit', 'quit', [], {}],
];

test('every command is asked under its name, with its arguments', async () => {
  expect(commands.map(([name]) => name).sort()).toEqual(
    Object.keys(shell)
      .filter((name) => name !== 'subscribe')
      .sort(),
  );
  for (const [name, command, values, sent] of commands) {
    await (shell[name] as (...values: unknown[]) => Promise<unknown>)(...values);
    expect(asked.at(-1)).toEqual([command, sent]);
  }
});

test('subscribing hands the shell a channel and answers with the snapshot', async () => {
  answer = () => freshSnapshot();
  expect(await shell.subscribe(() => undefined)).toEqual(freshSnapshot());
  expect(asked[0]?.[0]).toBe('subscribe');
  expect(JSON.stringify(asked[0]?.[1])).toBe('{"channel":"__CHANNEL__:7"}');
});

test('a command that fails rejects with a failure, whatever the bridge said', async () => {
  const failure = { code: 'disk_full', detail: 'no room' };
  answer = () => Promise.reject(failure as unknown as Error);
  await expect(shell.endShare('s')).rejects.toEqual(failure);
  expect(asFailure({ code: 'disk_full' })).toEqual({ code: 'disk_full', detail: null });
  expect(asFailure({ code: 'no such code' }).code).toBe('interrupted');
  expect(asFailure('command not found')).toEqual({
    code: 'interrupted',
    detail: 'command not found',
  });
});
