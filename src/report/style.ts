// The page's style sheet: one file without network, light, dark and print.
import { Markup } from './markup.js'

/** CSS of the page. `--c1` to `--c8` are colours of runs, told apart also by those who see few. */
export const style = new Markup(`
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2128;--muted:#5a6472;--line:#dfe3e8;--soft:#f5f7f9;--grid:#e6e9ed;--axis:#9aa4b0;
--good:#14743a;--bad:#b3261e;--warn:#7a4d00;--warnbg:#fff6e0;--warnline:#f0d493;--target:#b3261e;
--waiting:#d97706;--computing:#2563a8;--rest:#a3adb8;
--c1:#2563a8;--c2:#c2570c;--c3:#0f7b6c;--c4:#8b3a9e;--c5:#b08400;--c6:#b3264e;--c7:#4d6b1f;--c8:#5b6675}
@media (prefers-color-scheme:dark){:root{--bg:#14171c;--fg:#e4e8ed;--muted:#9ba6b4;--line:#2c333c;--soft:#1b2027;--grid:#272e37;--axis:#5c6773;
--good:#5fc98a;--bad:#ff8a80;--warn:#f1c66b;--warnbg:#2a2414;--warnline:#5a4a1d;--target:#ff8a80;
--waiting:#f0a040;--computing:#62a3ea;--rest:#66717d;
--c1:#62a3ea;--c2:#f0955a;--c3:#4cc2ae;--c4:#c58ad6;--c5:#dfb640;--c6:#f0789a;--c7:#a3c565;--c8:#a8b3c0}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,header,footer{max-width:1080px;margin:0 auto;padding:0 24px}
header{padding-top:32px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:18px;margin:40px 0 12px;padding-top:16px;border-top:1px solid var(--line)}
h3{font-size:15px;margin:24px 0 8px}
p{margin:8px 0;max-width:80ch}
a{color:inherit}
.sub,.note,.legend,footer,nav{color:var(--muted);font-size:13px}
.sub{font-size:14px;margin:0;max-width:none}
nav{margin:16px 0 0;display:flex;flex-wrap:wrap;gap:4px 16px}
nav a{text-decoration-color:var(--line);text-underline-offset:3px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:12px;margin:20px 0 12px}
.tile{border:1px solid var(--line);border-radius:8px;padding:12px 14px;background:var(--soft)}
.tile b{display:block;font-size:24px;line-height:1.3;font-weight:600;font-variant-numeric:tabular-nums;white-space:nowrap}
.tile span{display:block;font-size:13px;color:var(--muted)}
.good{color:var(--good)!important}.bad{color:var(--bad)!important}
.verdict{margin:12px 0}
.warnings{margin:16px 0;padding:10px 16px;border:1px solid var(--warnline);border-radius:8px;background:var(--warnbg)}
.warnings h2{all:unset;display:block;font-weight:600;color:var(--warn)}
.warnings ul{margin:4px 0;padding-left:18px}
.warnings li{margin:2px 0;overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:12px 0}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:5px 20px 5px 0;text-align:right;vertical-align:baseline;white-space:nowrap;border-bottom:1px solid var(--line);font-weight:400}
th:last-child,td:last-child{padding-right:4px}
thead th{color:var(--muted);font-size:13px;vertical-align:bottom}
th:first-child,td:first-child{text-align:left}
tbody th{color:var(--muted)}
table.text td,table.text th{text-align:left;white-space:normal;overflow-wrap:anywhere}
table.text tbody th{white-space:nowrap}
table.text td{min-width:180px;max-width:640px}
.none{color:var(--muted)}
.tables{display:flex;flex-wrap:wrap;gap:0 56px}.tables>*{max-width:100%}
figure .note{margin-top:0}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr));gap:16px 32px;margin:12px 0}
figure{margin:0;min-width:0;break-inside:avoid}
figure.wide{grid-column:1/-1}
figcaption{font-weight:600;font-size:14px}
.drawing svg{display:block;width:100%;height:auto;max-width:620px}
.wide .drawing{overflow-x:auto}.wide .drawing svg{max-width:none;min-width:640px}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;margin:2px 0;max-width:none}
.key{overflow-wrap:anywhere}.key i{display:inline-block;width:12px;height:12px;margin-right:6px;border-radius:3px;vertical-align:-1px}.key i.dashed{height:4px;vertical-align:3px}
.mark{display:block;text-align:left}
.split{display:flex;height:20px;border-radius:4px;overflow:hidden;margin:4px 0 12px;max-width:640px;background:var(--soft)}
.split span{display:block}
code{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
details{margin:12px 0}summary{cursor:pointer;color:var(--muted);font-size:14px}
footer{padding-top:24px;padding-bottom:40px;margin-top:40px;border-top:1px solid var(--line)}
@media (max-width:560px){main,header,footer{padding-left:14px;padding-right:14px}.tiles{grid-template-columns:1fr 1fr}.tile b{font-size:20px}th,td{padding-right:14px}}
@media print{:root{color-scheme:light;--bg:#fff;--fg:#000;--muted:#444;--line:#ccc;--soft:#fff;--grid:#e3e3e3;--axis:#888;--good:#14743a;--bad:#b3261e;--warn:#7a4d00;
--warnbg:#fff;--warnline:#bbb;--target:#b3261e;--waiting:#d97706;--computing:#2563a8;--rest:#a3adb8;
--c1:#2563a8;--c2:#c2570c;--c3:#0f7b6c;--c4:#8b3a9e;--c5:#b08400;--c6:#b3264e;--c7:#4d6b1f;--c8:#5b6675}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}nav{display:none}body{font-size:11pt}main,header,footer{max-width:none;padding:0}
.figures{grid-template-columns:1fr 1fr}.wide .drawing svg{min-width:0}tr,.tile,.warnings{break-inside:avoid}h2,h3{break-after:avoid}.scroll{overflow:visible}}
`)
