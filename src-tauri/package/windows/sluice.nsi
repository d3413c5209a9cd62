; The installer for one person of a Windows computer, without an administrator: makensis -DVERSION=… -DBUILT=… -DOUT=…
; BUILT is the folder of sluice-desktop.exe and sluice.exe, and, with a GNU build, WebView2Loader.dll (-DLOADER=…).
; /S installs and uninstalls silently; /R starts the app then; "uninstall.exe /S /DATA" removes settings, shares and history too.

Unicode true
Target amd64-unicode
ManifestDPIAware true
!include MUI2.nsh
!include LogicLib.nsh
!include FileFunc.nsh
!include menu.nsh

!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\Sluice"
!define APP_PATHS "Software\Microsoft\Windows\CurrentVersion\App Paths"
!define WEBVIEW "Microsoft\EdgeUpdate\Clients\{F3017226-FE2A-4295-8BDF-00C3A9A7E4C5}"
!define WEBVIEW_PAGE "https://go.microsoft.com/fwlink/p/?LinkId=2124703"

Name "Sluice"
OutFile "${OUT}"
RequestExecutionLevel user
InstallDir "$LOCALAPPDATA\Programs\Sluice"
InstallDirRegKey HKCU "${UNINSTALL}" "InstallLocation"
SetCompressor /SOLID lzma
VIProductVersion "${VERSION}.0"
VIAddVersionKey "ProductName" "Sluice"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "FileDescription" "Installs Sluice"
VIAddVersionKey "LegalCopyright" "The Sluice authors"

!define MUI_ICON "..\..\..\icons\icon.ico"
!define MUI_UNICON "..\..\..\icons\icon.ico"
!define MUI_FINISHPAGE_RUN "$INSTDIR\sluice-desktop.exe"
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "German"
!insertmacro MUI_LANGUAGE "French"
!insertmacro MUI_LANGUAGE "Spanish"
!insertmacro MUI_LANGUAGE "SimpChinese"

LangString SHARE ${LANG_ENGLISH} "Share with Sluice"
LangString SHARE ${LANG_GERMAN} "Mit Sluice teilen"
LangString SHARE ${LANG_FRENCH} "Partager avec Sluice"
LangString SHARE ${LANG_SPANISH} "Compartir con Sluice"
LangString SHARE ${LANG_SIMPCHINESE} "用 Sluice 分享"
LangString RUNS ${LANG_ENGLISH} "Sluice is running. Quit it from its window or its icon in the tray, then try again."
LangString RUNS ${LANG_GERMAN} "Sluice läuft. Beende es im Fenster oder über das Symbol in der Taskleiste und versuche es dann noch einmal."
LangString RUNS ${LANG_FRENCH} "Sluice est en cours d’exécution. Quittez-le depuis sa fenêtre ou son icône, puis réessayez."
LangString RUNS ${LANG_SPANISH} "Sluice se está ejecutando. Ciérralo desde su ventana o su icono y vuelve a intentarlo."
LangString RUNS ${LANG_SIMPCHINESE} "Sluice 正在运行。请在窗口或托盘图标中退出，然后重试。"
LangString WEBVIEW ${LANG_ENGLISH} "Sluice draws its window with the WebView2 Runtime by Microsoft, which is not on this computer. Open the page that has it?"
LangString WEBVIEW ${LANG_GERMAN} "Sluice zeichnet sein Fenster mit der WebView2-Laufzeit von Microsoft, die auf diesem Computer fehlt. Die Seite öffnen, auf der es sie gibt?"
LangString WEBVIEW ${LANG_FRENCH} "Sluice affiche sa fenêtre avec WebView2 de Microsoft, qui n’est pas sur cet ordinateur. Ouvrir la page qui le propose ?"
LangString WEBVIEW ${LANG_SPANISH} "Sluice muestra su ventana con WebView2 de Microsoft, que no está en este equipo. ¿Abrir la página que lo ofrece?"
LangString WEBVIEW ${LANG_SIMPCHINESE} "Sluice 的窗口需要 Microsoft 的 WebView2 运行时，这台电脑上没有。要打开它的下载页面吗？"
LangString DATA ${LANG_ENGLISH} "Also remove settings, shares and history? Links that you gave away then stop working for good. What you have downloaded stays."
LangString DATA ${LANG_GERMAN} "Auch Einstellungen, Freigaben und Verlauf löschen? Links, die du weitergegeben hast, gehen dann nie wieder. Was du heruntergeladen hast, bleibt."
LangString DATA ${LANG_FRENCH} "Supprimer aussi les réglages, les partages et l’historique ? Les liens que vous avez donnés ne marcheront plus jamais. Ce que vous avez téléchargé reste."
LangString DATA ${LANG_SPANISH} "¿Eliminar también los ajustes, los envíos y el historial? Los enlaces que has dado dejarán de funcionar para siempre. Lo que has descargado se queda."
LangString DATA ${LANG_SIMPCHINESE} "同时删除设置、分享和历史记录吗？您发出的链接将永久失效。已下载的内容会保留。"

; A program that runs can't be written to. Its transfers are the person's to end; one that is ending, as it does before
; it is replaced by a newer one, is waited for.
!macro StopWhileItRuns
  ${If} ${FileExists} "$INSTDIR\sluice-desktop.exe"
    StrCpy $1 0
    ${Do}
      ClearErrors
      FileOpen $0 "$INSTDIR\sluice-desktop.exe" a
      ${IfNot} ${Errors}
        FileClose $0
        ${ExitDo}
      ${EndIf}
      IntOp $1 $1 + 1
      ${If} $1 < 20
        Sleep 500
      ${ElseIf} ${Silent}
        SetErrorLevel 3
        Quit
      ${Else}
        MessageBox MB_RETRYCANCEL|MB_ICONEXCLAMATION "$(RUNS)" IDRETRY +2
        Quit
      ${EndIf}
    ${Loop}
  ${EndIf}
!macroend

Section
  !insertmacro StopWhileItRuns
  SetOutPath "$INSTDIR"
  File "${BUILT}\sluice-desktop.exe"
  File "${BUILT}\sluice.exe"
  !ifdef LOADER
    File "${LOADER}"
  !endif
  File /oname=LICENSE-MIT.txt "..\..\..\LICENSE-MIT"
  File /oname=LICENSE-APACHE.txt "..\..\..\LICENSE-APACHE"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  CreateShortcut "$SMPROGRAMS\Sluice.lnk" "$INSTDIR\sluice-desktop.exe"

  WriteRegStr HKCU "Software\Classes\sluice" "" "URL:Sluice"
  WriteRegStr HKCU "Software\Classes\sluice" "URL Protocol" ""
  WriteRegStr HKCU "Software\Classes\sluice\DefaultIcon" "" '"$INSTDIR\sluice-desktop.exe",0'
  WriteRegStr HKCU "Software\Classes\sluice\shell\open\command" "" '"$INSTDIR\sluice-desktop.exe" "%1"'
  !insertmacro SluiceMenuInstall "$INSTDIR\sluice-desktop.exe" "$(SHARE)"
  WriteRegStr HKCU "${APP_PATHS}\sluice.exe" "" "$INSTDIR\sluice.exe"
  WriteRegStr HKCU "${APP_PATHS}\sluice-desktop.exe" "" "$INSTDIR\sluice-desktop.exe"

  WriteRegStr HKCU "${UNINSTALL}" "DisplayName" "Sluice"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayIcon" '"$INSTDIR\sluice-desktop.exe",0'
  WriteRegStr HKCU "${UNINSTALL}" "Publisher" "The Sluice authors"
  WriteRegStr HKCU "${UNINSTALL}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${UNINSTALL}" "NoModify" 1
  WriteRegDWORD HKCU "${UNINSTALL}" "NoRepair" 1
  ${GetSize} "$INSTDIR" "/S=0K" $0 $1 $2
  WriteRegDWORD HKCU "${UNINSTALL}" "EstimatedSize" $0

  ReadRegStr $0 HKLM "SOFTWARE\WOW6432Node\${WEBVIEW}" "pv"
  ${If} $0 == ""
    ReadRegStr $0 HKCU "Software\${WEBVIEW}" "pv"
  ${EndIf}
  ${If} $0 == ""
  ${OrIf} $0 == "0.0.0.0"
    MessageBox MB_YESNO|MB_ICONQUESTION "$(WEBVIEW)" /SD IDNO IDNO +2
    ExecShell "open" "${WEBVIEW_PAGE}"
  ${EndIf}

  ; The app's updater wants it back.
  ${GetParameters} $0
  ClearErrors
  ${GetOptions} $0 "/R" $1
  ${IfNot} ${Errors}
    Exec '"$INSTDIR\sluice-desktop.exe"'
  ${EndIf}
SectionEnd

Section Uninstall
  !insertmacro StopWhileItRuns
  Delete "$INSTDIR\sluice-desktop.exe"
  Delete "$INSTDIR\sluice.exe"
  Delete "$INSTDIR\WebView2Loader.dll"
  Delete "$INSTDIR\LICENSE-MIT.txt"
  Delete "$INSTDIR\LICENSE-APACHE.txt"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  Delete "$SMPROGRAMS\Sluice.lnk"
  DeleteRegKey HKCU "Software\Classes\sluice"
  !insertmacro SluiceMenuRemove
  DeleteRegKey HKCU "${APP_PATHS}\sluice.exe"
  DeleteRegKey HKCU "${APP_PATHS}\sluice-desktop.exe"
  DeleteRegKey HKCU "${UNINSTALL}"
  ; What the app asked for itself, in its settings.
  DeleteRegValue HKCU "Software\Microsoft\Windows\CurrentVersion\Run" "Sluice"
  ; What the webview keeps for itself; nothing of the person's is in it.
  RMDir /r "$LOCALAPPDATA\app.sluice.desktop"

  StrCpy $1 "no"
  ${GetParameters} $0
  ClearErrors
  ${GetOptions} $0 "/DATA" $2
  ${IfNot} ${Errors}
    StrCpy $1 "yes"
  ${Else}
    MessageBox MB_YESNO|MB_ICONQUESTION|MB_DEFBUTTON2 "$(DATA)" /SD IDNO IDNO +2
    StrCpy $1 "yes"
  ${EndIf}
  ${If} $1 == "yes"
    RMDir /r "$APPDATA\sluice"
    RMDir /r "$LOCALAPPDATA\sluice"
  ${EndIf}
SectionEnd
