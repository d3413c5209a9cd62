//! Every view of the window in the library that draws the app's: what axe finds, what is cut off, how long the page works
//! at once; and pictures of all, where SLUICE_PICTURES names a folder for them.

use crate::desk::Desk;
use crate::preview::Preview;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// Widths in pixels: the least that the window can be made, a usual one, at which axe looks, and a wide one, which is
/// only drawn.
const NARROW: u32 = 480;
const USUAL: u32 = 900;
const WIDE: u32 = 1280;

/// The longest that the page may work without a pause, in milliseconds: what is longer is felt.
const LONGEST: f64 = 50.0;

/// Elements of the largest view; drawn whole, its lists would have thousands.
const ELEMENTS: f64 = 1500.0;

/// What reaches beyond the window's sides, in any language. What is cut with dots and what scrolls is meant to.
const BEYOND: &str = "
    const done = arguments[0];
    const meant = '.cut, .unseen, svg *, nav ul *, .scroller *';
    const look = () => [...document.body.querySelectorAll('*')].filter((element) => {
        const { left, right, width } = element.getBoundingClientRect();
        return width > 0 && (left < -0.5 || right > innerWidth + 0.5) && !element.matches(meant) && !element.closest('.unseen, .cut');
    }).map((element) => session.language.tag + ': <' + element.localName + ' class=\"' + element.className + '\"> ' + element.textContent.trim().slice(0, 60));
    (async () => {
        const before = session.language.tag;
        const found = [];
        for (const tag of ['en-GB', 'de', 'fr', 'es', 'zh']) {
            session.language.tag = tag;
            await tick();
            found.push(...look());
        }
        session.language.tag = before;
        await tick();
        return found;
    })().then(done, (error) => done([String(error)]));
";

/// Plays a trace and tells of each step its name, the milliseconds that it took the page at once, from the event until all
/// boxes have their places, and the elements that there were then. A frame is drawn between steps. It is played at least
/// three times, and on a busy machine, which takes the processor away in between, up to thirty times: what counts of a
/// step is the least.
const TRACE: &str = "
    const done = arguments[0];
    const frame = () => new Promise((drawn) => requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = drawn;
        channel.port2.postMessage(null);
    }));
    const run = async (trace) => {
        const took = [];
        for (const [name, work] of trace) {
            await frame();
            const from = performance.now();
            work();
            await tick();
            document.body.offsetHeight;
            took.push([name, performance.now() - from, document.querySelectorAll('*').length]);
        }
        return took;
    };
    const best = async (trace, limit) => {
        let least = await run(trace);
        for (let runs = 1; runs < 3 || (runs < 30 && least.some(([, ms]) => ms >= limit)); runs += 1) {
            const took = await run(trace);
            least = least.map(([name, ms, elements], step) => [name, Math.min(ms, took[step][1]), Math.max(elements, took[step][2])]);
        }
        return least;
    };
    best(TRACE(), LIMIT).then(done, (error) => done([[String(error), 1e9, 0]]));
";

/// Twenty slots whose receivers all move on and a line of a thousand, at each of four times a second.
const CROWD: &str = "
    const TRACE = () => [
        ['away', () => session.show('history')],
        ['back', () => session.show('share')],
        ...recording('crowd').map((event, step) => ['event ' + step, () => backend.play(event)]),
    ];
";

/// A tree of a million entries: it grows, is gone through by wheel and keys, and its boxes are ticked.
const MILLION: &str = "
    const tree = () => document.querySelector('[role=tree]');
    const scroller = () => [tree(), ...tree().querySelectorAll('*')].find((element) => element.classList.contains('scroller'));
    const press = (key) => tree().dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
    const wheel = (part) => {
        const box = scroller();
        box.scrollTop = part * (box.scrollHeight - box.clientHeight);
        box.dispatchEvent(new Event('scroll'));
    };
    const TRACE = () => [
        ['away', () => session.show('share')],
        ['back', () => session.show('receive')],
        ...[6, 7].map((step) => ['grows ' + step, () => backend.play(recording('receiving')[step])]),
        ...[0.1, 0.1001, 0.5, 0.9999, 1, 0].map((part) => ['wheel ' + part, () => wheel(part)]),
        ...['End', 'PageUp', ' ', 'Home', 'ArrowLeft', 'ArrowRight', 'PageDown', ' '].map((key) => ['key ' + key, () => press(key)]),
    ];
";

fn pictures() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("SLUICE_PICTURES")?);
    fs::create_dir_all(&folder).unwrap();
    Some(folder)
}

fn texts(found: &Value) -> Vec<String> {
    found.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// Goes through all views at all widths and asserts that nothing is wrong with any.
fn walk(dark: bool) {
    let theme = if dark { "dark" } else { "light" };
    let pictures = pictures();
    let desk = Desk::new();
    let preview = Preview::open(&desk, dark);
    let names = preview.names();
    assert!(names.len() > 30, "{names:?}");
    let mut wrong = Vec::new();
    let widths = if pictures.is_some() { &[NARROW, USUAL, WIDE][..] } else { &[NARROW, USUAL] };
    for &width in widths {
        preview.widen(width);
        for name in &names {
            preview.show(name, 0);
            let mut found = Vec::new();
            if let Some(folder) = &pictures {
                preview.window.picture(&folder.join(format!("{name}-{theme}-{width}.png")));
            }
            found.extend(texts(&preview.window.run_async(BEYOND)));
            if width == USUAL {
                found.extend(preview.window.violations());
            }
            wrong.extend(found.into_iter().map(|one| format!("{name}, {theme}, {width} wide: {one}")));
        }
    }
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_view_in_light_has_a_violation_or_is_cut_off() {
    walk(false);
}

#[test]
fn no_view_in_dark_has_a_violation_or_is_cut_off() {
    walk(true);
}

/// Plays a trace in a view and asserts that no step of it is felt.
fn smooth(view: &str, files: u32, trace: &str) {
    let desk = Desk::new();
    let preview = Preview::open(&desk, false);
    preview.widen(USUAL);
    preview.show(view, files);
    let told = preview.window.run_async(&format!("const LIMIT = {LONGEST};{trace}{TRACE}"));
    let mut steps: Vec<(&str, f64, f64)> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step[0].as_str().unwrap(), step[1].as_f64().unwrap(), step[2].as_f64().unwrap()))
        .collect();
    assert!(steps.len() > 8, "{steps:?}");
    steps.sort_by(|one, other| other.1.total_cmp(&one.1));
    println!("the slowest steps of {view}, with ms and elements: {:?}", &steps[..5]);
    let (name, took, _) = steps[0];
    assert!(took < LONGEST, "the page works for {took} ms at once at {name:?}: {steps:?}");
    let most = steps.iter().map(|step| step.2).fold(0.0, f64::max);
    assert!(most < ELEMENTS, "the page has {most} elements");
}

#[test]
fn a_full_share_with_a_thousand_waiting_is_drawn_without_a_long_task() {
    smooth("share-full", 0, CROWD);
}

#[test]
fn a_million_entries_are_gone_through_without_a_long_task() {
    smooth("receive-choosing", 1_000_000, MILLION);
}
