// How fast a gigabyte goes from the command line into a page and onto its disk, beside the same bytes over a bare data
// channel from the same stack to the same browser. Run by `cargo xtask bench browser`; prints, and asserts only that the
// bytes are right.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { Person, start } from './browser';
import { Scratch, contents, write } from './lab';
import { Sender, Server } from './processes';
import { ReceivingPage } from './receiving';

const BYTES = Number(process.env['SLUICE_BENCH_BYTES'] ?? 2 ** 30);
const BARE =
  process.env['SLUICE_BARE_CHANNEL'] ??
  fileURLToPath(new URL('../../target/release/examples/bare_channel', import.meta.url));
const ROUNDS = Number(process.env['SLUICE_BENCH_ROUNDS'] ?? 3);
const MIB = 2 ** 20;

interface Sample {
  rate: number;
  memory: number;
}

type Line = { Description: [string, RTCIceCandidateInit[]] };

/** The bare channel: bytes of zeros into a page that counts them. */
async function bare(page: Page): Promise<Sample> {
  const sender = spawn(BARE, ['--piped', '--bytes', String(BYTES)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: sender.stdout })[Symbol.asyncIterator]();
  const { value } = await lines.next();
  const { Description } = JSON.parse(value as string) as Line;
  const answer = await page.evaluate(
    async ({ offer: [sdp, candidates], bytes }) => {
      const peer = new RTCPeerConnection();
      const gathered = new Promise<RTCIceCandidateInit[]>((resolve) => {
        const own: RTCIceCandidateInit[] = [];
        peer.addEventListener('icecandidate', ({ candidate }) => {
          if (candidate === null) {
            resolve(own);
          } else if (candidate.candidate !== '') {
            own.push(candidate.toJSON());
          }
        });
      });
      const seconds = new Promise<number>((resolve) => {
        peer.addEventListener('datachannel', ({ channel }) => {
          channel.binaryType = 'arraybuffer';
          let had = 0;
          let begun = 0;
          channel.addEventListener('message', ({ data }) => {
            begun ||= performance.now();
            had += (data as ArrayBuffer).byteLength;
            if (had >= bytes) {
              resolve((performance.now() - begun) / 1000);
            }
          });
        });
      });
      Object.assign(window, { bareSeconds: seconds, barePeer: peer });
      await peer.setRemoteDescription({ type: 'offer', sdp });
      for (const candidate of candidates) {
        await peer.addIceCandidate(candidate);
      }
      await peer.setLocalDescription(await peer.createAnswer());
      return [peer.localDescription?.sdp ?? '', await gathered] as const;
    },
    { offer: Description, bytes: BYTES },
  );
  sender.stdin.write(`${JSON.stringify({ Description: answer })}\n`);
  const [seconds, memory] = await watched(page, () =>
    page.evaluate(() => (window as unknown as { bareSeconds: Promise<number> }).bareSeconds),
  );
  await page.evaluate(() => {
    (window as unknown as { barePeer: RTCPeerConnection }).barePeer.close();
  });
  sender.stdin.end();
  sender.kill();
  return { rate: BYTES / seconds / 1e6, memory };
}

/** What `work` gives, and the most memory in MiB that any renderer of the browser had meanwhile. */
async function watched<Answer>(page: Page, work: () => Promise<Answer>): Promise<[Answer, number]> {
  const cdp = await page.context().browser()?.newBrowserCDPSession();
  let most = 0;
  const look = async (): Promise<void> => {
    const { processInfo } = (await cdp?.send('SystemInfo.getProcessInfo')) ?? { processInfo: [] };
    for (const { type, id } of processInfo) {
      if (type === 'renderer') {
        const status = await readFile(`/proc/${id}/status`, 'utf8').catch(() => '');
        most = Math.max(most, Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
      }
    }
  };
  const timer = setInterval(() => void look(), 250);
  try {
    return [await work(), most];
  } finally {
    clearInterval(timer);
    await cdp?.detach();
  }
}

test(
  'a gigabyte into a folder through the page, beside a bare channel',
  { timeout: 1_800_000 },
  async () => {
    await using scratch = await Scratch.make();
    await using browser = await start();
    await write(scratch.at('share', 'film.bin'), 7, BYTES);
    await using server = await Server.start(scratch.path);
    await using sender = await Sender.start(scratch.path, server.url, scratch.at('share'));
    await sender.until('walked');
    const ours: Sample[] = [];
    const channel: Sample[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const blank = await (await Person.of(browser)).open(`${server.url}/livez`);
      channel.push(await bare(blank));
      await blank.context().close();

      const receiver = await ReceivingPage.open(await Person.of(browser), sender.link);
      await receiver.begin();
      await receiver.choose('folder');
      const begun = performance.now();
      const [, memory] = await watched(receiver.page, async () => {
        await receiver.go.click();
        await receiver.done(600_000);
      });
      ours.push({ rate: BYTES / (performance.now() - begun) / 1e3, memory });
      if (round === 0) {
        expect(await receiver.contents()).toEqual(
          await nested(await contents(scratch.at('share'))),
        );
      }
      await receiver.page.context().close();
    }
    const [a, b] = [median(ours), median(channel)];
    const line = (name: string, { rate, memory }: Sample): string =>
      `${name.padEnd(14)} ${rate.toFixed(1).padStart(7)} MB/s  ${memory.toFixed(0).padStart(5)} MiB in the renderer at most\n`;
    process.stdout.write(
      `\n${(BYTES / MIB).toFixed(0)} MiB, medians of ${ROUNDS}\n${line('bare channel', b)}${line('page, folder', a)}` +
        `of the bare channel's: ${(a.rate / b.rate).toFixed(2)} (to reach: 0.8)\n`,
    );
  },
);

function nested(found: Map<string, string>): Map<string, string> {
  return new Map([
    ['share', '/'] as [string, string],
    ...[...found].map(([path, hash]) => [`share/${path}`, hash] as [string, string]),
  ]);
}

function median(samples: Sample[]): Sample {
  const middle = (values: number[]): number =>
    values.sort((x, y) => x - y)[Math.floor(values.length / 2)] ?? 0;
  return {
    rate: middle(samples.map(({ rate }) => rate)),
    memory: Math.max(...samples.map(({ memory }) => memory)),
  };
}
