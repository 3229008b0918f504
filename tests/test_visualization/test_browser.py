"""The report's page in a real browser: what a click, a choice and the slider change."""

import json
import re
import shutil
import subprocess

import pytest

from mmwsss.visualization.report_page import report_page

SIDE = 40  # of the images

BROWSER = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome',
                                               'chrome'))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason='no chromium or chrome is installed')]

# Before the page's own script: remember what goes wrong.
WATCH = '''<script>
window.problems = [];
addEventListener('error', (e) => problems.push(String(e.message)));
addEventListener('unhandledrejection', (e) => problems.push(String(e.reason)));
for (const kind of ['error', 'warn']) console[kind] = (...all) => problems.push(all.join(' '));
</script>'''
# After it: act as a user, and leave the answers in the page.
ACT = '''<script>
addEventListener('load', async () => {
  // The maps are decoded by another thread in real time, and the browser's clock is a virtual one.
  const ready = async () => {
    const drawn = () => [...document.querySelectorAll('.layers figcaption')]
      .every((caption) => caption.textContent);
    for (let turn = 0; turn < 1500 && !drawn(); turn++) {
      for (let i = 0, x = 0; i < 1e6; i++) x += Math.sqrt(i);
      await new Promise((done) => setTimeout(done, 10));
    }
  };
  const find = (query) => document.querySelector(query);
  const change = (name, value, event) => {
    const field = find('.tools').elements[name];
    field.value = value;
    field.dispatchEvent(new Event(event));
  };
  const visible = () => [...document.querySelectorAll('.image')]
    .filter((card) => card.offsetParent !== null).map((card) => card.dataset.name);
  const coloured = () => [...document.querySelectorAll('canvas')].map((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;  // the images are grey
    for (let i = 0; i < data.length; i += 4) count += Math.abs(data[i] - data[i + 2]) > 20;
    return count / (data.length / 4);
  });
  const answers = {};
  try {
    await ready();
    ACTIONS
  } catch (error) { problems.push(String(error)); }
  answers.problems = problems;
  answers.requests = performance.getEntriesByType('resource').map((entry) => entry.name)
    .filter((name) => !name.startsWith('data:'));
  const result = document.createElement('script');
  result.type = 'application/json';
  result.id = 'answers';
  result.textContent = JSON.stringify(answers);
  document.body.append(result);
});
</script>'''


def act(page, tmp_path, actions, width=1400):
    """What the actions leave in ``answers``; nothing may go wrong and nothing be loaded."""
    path = tmp_path / 'page.html'
    page = page.replace('<head>', f'<head>{WATCH}')
    path.write_text(page.replace('</body>', f'{ACT.replace("ACTIONS", actions)}</body>'))
    done = subprocess.run(
        [BROWSER, '--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking',
         f'--user-data-dir={tmp_path / "profile"}', f'--window-size={width},900',
         '--virtual-time-budget=20000', '--dump-dom', path.as_uri()],
        capture_output=True, text=True, timeout=300)
    found = re.search(r'id="answers">(.*?)</script>', done.stdout, re.S)
    assert found, done.stderr[-2000:]
    answers = json.loads(found[1])
    assert answers.pop('problems') == [] and answers.pop('requests') == []
    return answers


def test_sort_and_filter(run, tmp_path):
    answers = act(report_page([run('ours')], 'Title'), tmp_path, '''
        answers.first = visible();
        change('order', 'best', 'change'); answers.best = visible();
        change('score', '', 'change'); answers.list = visible();
        change('kind', 'dog', 'change'); answers.dogs = visible();
        answers.count = find('.count').value;
        change('kind', '', 'change'); answers.all = visible();''')
    assert answers == dict(
        first=['img_1', 'img_0', 'img_2'], best=['img_2', 'img_0', 'img_1'],
        list=['img_0', 'img_1', 'img_2'], dogs=['img_1', 'img_2'], count='2 of 3 images',
        all=['img_0', 'img_1', 'img_2'])


@pytest.mark.parametrize('ious', [(50., 20., 80.), (None, None, None)],
                         ids=['ground truth', 'none'])
def test_slider_cuts_the_maps(run, tmp_path, ious):
    answers = act(report_page([run('ours', ious)], 'Title'), tmp_path, '''
        answers.before = coloured(); answers.shown = find('.threshold').value;
        change('threshold', '0.3', 'input'); answers.low = coloured();
        answers.caption = find('.layers figcaption').textContent;
        change('threshold', '1', 'input'); answers.high = coloured();
        find('.tools button').click(); answers.reset = coloured();''')

    def share(threshold):
        return sum(5 * x > 255 * threshold for x in range(SIDE)) / SIDE

    assert answers['before'] == answers['reset'] == pytest.approx([share(0.5)] * 3)
    assert answers['low'] == pytest.approx([share(0.3)] * 3)
    assert answers['high'] == [0, 0, 0] and answers['shown'] == 'as chosen'
    assert answers['caption'] == 'cam > 0.30: 60 %'


def test_zoom_and_two_runs(run, tmp_path):
    answers = act(report_page([run('ours'), run('base', (10., 90., 30.))], 'Title'), tmp_path, '''
        const caption = () => find('dialog .caption').textContent;
        find('.image figure').click();
        answers.open = find('dialog').open; answers.image = caption();
        find('dialog .back').click(); answers.last = caption();
        find('dialog .next').click(); find('dialog .next').click(); answers.second = caption();
        find('dialog .close').click(); answers.closed = !find('dialog').open;
        change('score', 'mask IoU, ours minus base', 'change'); answers.worst = visible();''')
    # The first card is the worst of the first run.
    assert answers == dict(
        open=True, closed=True, image='img_1 · image',
        last='img_1 · base · cam > 0.50: 35 %', second='img_1 · ground truth',
        worst=['img_1', 'img_0', 'img_2'])


@pytest.mark.parametrize('width', [500, 1400])
def test_nothing_is_wider_than_the_screen(run, tmp_path, width):
    answers = act(report_page([run('ours'), run('base')], 'Title'), tmp_path, '''
        answers.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
        answers.width = innerWidth;''', width)
    assert answers == dict(wide=0, width=width)


def test_a_page_without_maps_or_scores(run, tmp_path):
    answers = act(report_page([run('ours', (None, ) * 3, layers=False)], 'Title'), tmp_path, '''
        change('kind', 'cat', 'change'); answers.cats = visible();
        answers.slider = find('[name=threshold]') !== null;''')
    assert answers == dict(cats=['img_0', 'img_2'], slider=False)
