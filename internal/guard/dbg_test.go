package guard
import ("testing";"os";"fmt";"strings")
func TestDbg(t *testing.T){
 b,_:=os.ReadFile("/tmp/dbg.txt")
 for _,l:=range strings.Split(strings.TrimSpace(string(b)),"\n") {
  l=strings.ReplaceAll(l,"⏎","\n")
  v:=Judge(l,testHost(),Policy{}); fmt.Fprintf(os.Stderr,"%s\n   %v %q\n",l,v.Decision,v.Failed); for _,f:=range v.Findings {fmt.Fprintf(os.Stderr,"    ! %s %v %s %s\n",f.ID,f.Decision,f.Command,f.Detail)}; for _,s:=range v.Steps{fmt.Fprintf(os.Stderr,"      %s  <%v> %s\n",s.Command,s.Through,s.Place)}
 }
}
