# Signs programs with the certificate in CERTIFICATE (a .pfx, in base64), whose password is in PASSWORD.
$ErrorActionPreference = 'Stop'
$file = Join-Path $env:RUNNER_TEMP 'certificate.pfx'
[IO.File]::WriteAllBytes($file, [Convert]::FromBase64String($env:CERTIFICATE))
try {
  $signtool = Get-ChildItem "${env:ProgramFiles(x86)}\Windows Kits\10\bin\*\x64\signtool.exe" | Sort-Object FullName | Select-Object -Last 1
  & $signtool.FullName sign /fd sha256 /td sha256 /tr http://timestamp.digicert.com /f $file /p $env:PASSWORD $args
  if ($LASTEXITCODE -ne 0) { throw "signtool ended with $LASTEXITCODE" }
} finally {
  Remove-Item $file
}
